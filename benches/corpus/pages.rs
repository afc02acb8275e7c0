//! Pages with styles, markup, drawings, embedded pictures and minified scripts, in which nobody is.

use std::fmt::Write as _;

use bytes::Bytes;
use tidegate::engine::structure::Declared;

use super::Numbers;
use super::bulk::{Bulk, sentence};
use super::peer::Counts;

/// Bytes of script in one page.
const SCRIPT_BYTES: usize = 12_000;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A body of at least `bytes` bytes, page after page.
pub(crate) fn pages(bytes: usize) -> Bulk {
    let mut numbers = Numbers(16);
    let mut text = String::new();
    while text.len() < bytes {
        head(&mut text, &mut numbers);
        (0..25).for_each(|_| item(&mut text, &mut numbers));
        drawing(&mut text, &mut numbers);
        picture(&mut text, &mut numbers);
        script(&mut text, &mut numbers);
    }
    Bulk {
        name: "HTML and JS",
        declared: Declared::Markup,
        bytes: Bytes::from(text),
        planted: Counts::default(),
        people: 0,
    }
}

fn head(text: &mut String, numbers: &mut Numbers) {
    let title = sentence(numbers);
    write!(
        text,
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>{title}</title><style>"
    )
    .expect("a string takes every byte");
    for _ in 0..30 {
        write!(
            text,
            ".{}-{}{{margin:{}px {}px;color:#{:06x};width:{}.{}%}}",
            numbers.of(&CLASSES),
            numbers.below(10),
            numbers.below(41),
            numbers.below(41),
            numbers.next() >> 40,
            numbers.below(100),
            numbers.below(100)
        )
        .expect("a string takes every byte");
    }
    text.push_str("</style></head><body>");
}

const CLASSES: [&str; 8] = ["card", "row", "grid", "btn", "nav", "hero", "list", "tile"];

fn item(text: &mut String, numbers: &mut Numbers) {
    write!(
        text,
        "<div class=\"{} col-{}\" data-id=\"{}\"><a href=\"/{}/{}?ref={}\">{}</a><p>{} {} {}</p></div>",
        numbers.of(&CLASSES),
        1 + numbers.below(12),
        1 + numbers.below(1_000_000),
        numbers.of(&CLASSES),
        1 + numbers.below(9_999),
        numbers.of(&CLASSES),
        numbers.word(),
        sentence(numbers),
        sentence(numbers),
        sentence(numbers)
    )
    .expect("a string takes every byte");
}

fn drawing(text: &mut String, numbers: &mut Numbers) {
    text.push_str("<svg viewBox=\"0 0 24 24\"><path d=\"");
    for _ in 0..60 {
        write!(
            text,
            "{}{}.{:02} {}.{:02}",
            numbers.of(&["M", "L", "C", "Q"]),
            numbers.below(24),
            numbers.below(100),
            numbers.below(24),
            numbers.below(100)
        )
        .expect("a string takes every byte");
    }
    text.push_str("\"/></svg>");
}

fn picture(text: &mut String, numbers: &mut Numbers) {
    text.push_str("<img src=\"data:image/png;base64,");
    text.extend((0..2_000).map(|_| {
        let at = numbers.below(64) as usize;
        char::from(BASE64.get(at).copied().unwrap_or_default())
    }));
    text.push_str("\">");
}

/// What minifiers leave: short names, few blanks, numbers, strings, expressions and some long literals.
fn script(text: &mut String, numbers: &mut Numbers) {
    text.push_str("<script>");
    let end = text.len() + SCRIPT_BYTES;
    while text.len() < end {
        statement(text, numbers);
    }
    text.push_str("</script></body></html>\n");
}

fn statement(text: &mut String, numbers: &mut Numbers) {
    let (a, b, n, m) = (
        numbers.of(&NAMES),
        numbers.of(&NAMES),
        numbers.below(1_000),
        numbers.below(100),
    );
    let (property, word) = (numbers.of(&PROPERTIES), numbers.word());
    let written = match numbers.below(10) {
        0 => write!(text, "function {a}({b},t){{return {b}[{n}]&&t.{property}({m})}}"),
        1 => write!(
            text,
            "var {a}={b}.{property}||{{}};{a}.{property}=function(e){{return e*{n}.{m}}};"
        ),
        2 => write!(
            text,
            "if({a}.{property}!==void 0&&{b}>{n}){{{a}({b},\"{word}\")}}else{{{b}=!1}}"
        ),
        3 => write!(text, "for(var i=0;i<{a}.length;i++){{{b}[i]={a}[i].{property}+\"px\"}}"),
        4 => write!(
            text,
            "{a}.exports={{{property}:[{n},{m},.{n},1e-{m}],{b}:\"rgba({m},{m},{n},.5)\"}};"
        ),
        5 => write!(text, "\"use strict\";var {a}=t({n}),{b}=t({m}).{property};"),
        6 => write!(
            text,
            "{a}=/^([a-z]+):\\/\\/[^\\/]{{1,{m}}}$/i.test({b})?{b}.slice({m}):null;"
        ),
        7 => write!(
            text,
            "switch({a}){{case {n}:return\"{property}\";case\"{word}\":break;default:{b}()}}"
        ),
        8 => write!(
            text,
            "{a}.push({{id:{n},t:16{:011},v:\"{n}.{m}.0\",s:0x{:x}}});",
            numbers.below(100_000_000_000),
            n
        ),
        _ => write!(
            text,
            "try{{{a}.{property}.call(this,{b},{n})}}catch(e){{console.{property}(e)}}"
        ),
    };
    written.expect("a string takes every byte");
}

const NAMES: [&str; 12] = ["e", "t", "n", "r", "o", "_a", "$b", "Xe", "ut", "fn", "h1", "q"];
const PROPERTIES: [&str; 10] = [
    "length",
    "apply",
    "layout",
    "axis",
    "prototype",
    "concat",
    "range",
    "color",
    "trace",
    "data",
];
