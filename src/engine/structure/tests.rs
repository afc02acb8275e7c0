//! Every reader: any split of a body is told the same, whatever the bytes are, and no value goes unsearched.

use proptest::prelude::*;

use super::*;

/// What was told, in order.
#[derive(Default)]
struct Told {
    events: Vec<String>,
    /// The same without offsets.
    outline: Vec<String>,
    /// Offsets of what is searched: the first byte of each cell, where findings may begin, and its end.
    searched: Vec<(u64, u64)>,
    depth: u32,
}

impl Told {
    fn push(&mut self, event: String) {
        self.events.push(event);
    }
}

impl Sink for Told {
    fn open(&mut self, container: Container, at: u64) {
        self.depth += 1;
        self.outline.push(format!("{container:?}("));
        self.push(format!("open {container:?} {at}"));
    }

    fn close(&mut self, end: u64) {
        assert!(self.depth > 0, "closed what was not open at {end}");
        self.depth -= 1;
        self.outline.push(")".to_owned());
        // A container in which nothing is told need not be told.
        if self.events.pop_if(|event| event.starts_with("open ")).is_none() {
            self.push(format!("close {end}"));
        }
    }

    fn key(&mut self, key: &Cell<'_>) -> bool {
        self.searched.push((key.at, key.end()));
        let name = String::from_utf8_lossy(key.raw);
        self.outline.push(format!("{name}:"));
        self.push(format!("key {name}"));
        // What readers pass over where nothing is wanted is left to the soup of `tests/properties`.
        true
    }

    fn plain(&mut self, _: &[u8]) -> Option<u64> {
        None
    }

    fn passed(&mut self, _: u64, _: u32) {}

    fn is_map(&self) -> bool {
        false
    }

    fn cell(&mut self, cell: &Cell<'_>) {
        let text = cell.raw.get(cell.within()).unwrap_or_default();
        self.searched
            .push((cell.at + cell.within.0 as u64, cell.at + cell.raw.len() as u64));
        let text = String::from_utf8_lossy(text);
        self.outline.push(text.trim().to_owned());
        let from = cell.at + cell.within.0 as u64;
        self.push(format!("cell {from} {text:?} {:?} {}", cell.form, cell.last));
    }

    fn skipped(&mut self, _: u64) {}

    fn line(&mut self, end: u64) {
        self.outline.push("|".to_owned());
        self.push(format!("line {end}"));
    }
}

fn boundary() -> Declared {
    Declared::from_content_type(b"multipart/form-data; boundary=xyz")
}

fn read(declared: Declared, body: &[u8], segment: usize, cuts: &[usize]) -> Told {
    let mut told = Told::default();
    let mut structure = Structure::new(declared, CellSettings { segment, all: true });
    let mut from = 0;
    for to in cuts.iter().copied().chain([body.len()]) {
        let to = to.min(body.len());
        let part = body.get(from..to).unwrap_or_default();
        structure.push(part, &mut told);
        from = from.max(to);
        assert!(structure.decided_to() <= from as u64, "decided what was not seen");
        assert!(
            from as u64 - structure.decided_to() <= (segment + 5000) as u64,
            "{declared:?} withholds {} bytes of {:?}",
            from as u64 - structure.decided_to(),
            body.get(..16).map(String::from_utf8_lossy)
        );
    }
    structure.finish(&mut told);
    assert_eq!(told.depth, 0, "{declared:?} leaves nothing open");
    told
}

/// Without offsets, which the examples below would only obscure.
fn outline(declared: Declared, body: &str) -> String {
    let mut told = read(declared, body.as_bytes(), 2048, &[]);
    told.outline.retain(|word| !word.is_empty() && word != ":");
    told.outline.join(" ")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn readers_tell_rows_keys_and_cells() {
    let rows: [(Declared, &str, &str); 25] = [
        (
            Declared::Json,
            r#"[["name","tel"],["Kim","1000000"],["Lee",2000000]]"#,
            "Array( Array( name tel ) Row( name: Kim tel: 1000000 ) Row( name: Lee tel: 2000000 ) )",
        ),
        (
            Declared::Json,
            r#"{"columns":[{"name":"id","type":"x"},{"name":"tel"}],"rows":[["Kim","1"]]}"#,
            "Object( columns: Array( Object( name: id type: x ) Object( name: tel ) ) rows: Array( Row( id: Kim tel: 1 ) ) )",
        ),
        (Declared::Json, r#")]}'{"tel":"1"}"#, ")]}' Object( tel: 1 )"),
        (
            Declared::Lines,
            "| name | tel |\n|---|---|\n| Kim | 1 |\n",
            "Flow( | | name | tel | | | |---|---| | | Row( name: Kim tel: 1 ) | | | )",
        ),
        (
            Declared::Lines,
            "saved name=\"Kim\" tel=1\nTEL;TYPE=CELL:1\n",
            "Flow( | saved name: Kim tel: 1 | TEL;CELL: 1 | | )",
        ),
        (
            Declared::Table,
            "Kim;1000000\nLee;2000000\n",
            "Row( Kim 1000000 ) Row( col0: Lee col1: 2000000 )",
        ),
        (
            Declared::Form,
            "name=Kim&tel=1&name=Lee&tel=2",
            "Row( name: name Kim tel: tel 1 ) Row( name: name Lee tel: tel 2 )",
        ),
        (
            Declared::Form,
            "a[0][tel]=1&a[0][x]=2&a[1][tel]=3",
            "Row( a.tel: a[0][tel] 1 a.x: a[0][x] 2 ) Row( a.tel: a[1][tel] 3 )",
        ),
        (
            Declared::Sql,
            "INSERT INTO t (id, `tel`) VALUES (1,'a''b'),(2,'c');",
            "Flow( INSERT INTO t id t: tel VALUES Row( id: 1 tel: a''b ) Row( id: 2 tel: c ) | )",
        ),
        (
            Declared::Sql,
            "CREATE TABLE t (id int, tel text, PRIMARY KEY (id)); INSERT INTO t VALUES (1,'c');",
            "Flow( CREATE TABLE t id int tel text PRIMARY KEY id | INSERT INTO t VALUES Row( id: 1 tel: c ) | )",
        ),
        (
            Declared::Sql,
            "COPY t (id, tel) FROM stdin;\n1\tc\n\\.\nSELECT 1;",
            "Flow( COPY t id tel FROM stdin Row( id: 1 tel: c ) Row( id: \\. ) | SELECT 1 | )",
        ),
        (
            Declared::Sql,
            "INSERT INTO t (id, -- the user's\n tel) VALUES (1, -- it's\n 'c'), /* don't */ (2 /*'*/, 'd');",
            "Flow( INSERT INTO t id -- the user's tel VALUES Row( id: 1 tel: -- it's c ) /* don't */ \
             Row( id: 2 /*'*/ tel: d ) | )",
        ),
        (
            Declared::Sql,
            "INSERT INTO t VALUES (1--1,4/2,'a -- /* b',-7);/*!40000 SET x='y' */;--it's\nINSERT INTO t VALUES ('c');",
            "Flow( INSERT INTO t VALUES Row( 1--1 4/2 a -- /* b -7 ) | /*!40000 SET x= x: y */ | --it's | \
             INSERT INTO t VALUES Row( c ) | )",
        ),
        (
            Declared::Sql,
            "CREATE TABLE t (a int); CREATE TABLE t (b int); CREATE TABLE u (c int); INSERT INTO t VALUES (1); \
             INSERT INTO u VALUES (2); INSERT INTO v VALUES (3);",
            "Flow( CREATE TABLE t a int | CREATE TABLE t b int | CREATE TABLE u c int | INSERT INTO t VALUES Row( b: 1 ) \
             | INSERT INTO u VALUES Row( c: 2 ) | INSERT INTO v VALUES Row( 3 ) | )",
        ),
        (
            Declared::Sql,
            "VALUES (1 /***/); /*/ it's */ SELECT 'x' - 'y' /",
            "Flow( VALUES 1 /***/ | /*/ it's */ SELECT SELECT: x - SELECT: y / )",
        ),
        (
            Declared::Sql,
            "CREATE TABLE t (id int, --- it's\n tel text /* don't, (1 */); INSERT INTO t VALUES (1,'c');",
            "Flow( CREATE TABLE t id int --- it's tel text /* don't, (1 */ | INSERT INTO t VALUES Row( id: 1 tel: c ) | )",
        ),
        (
            Declared::Xml,
            "<l><p id='7'><ns:tel>1</ns:tel></p><p><tel><![CDATA[2]]></tel></p></l>",
            "Element( l: Element( id p: Element( id: 7 tel: Element( tel: 1 ) ) p: Element( tel: Element( tel: 2 ) ) ) )",
        ),
        (
            Declared::Markup,
            "<table><tr><th>Name<th>Tel<tr><td>Kim<td>1</table>",
            "Flow( | Name Name: Tel | Row( Name: Kim Tel: 1 ) | )",
        ),
        (
            Declared::Markup,
            "<dl><dt>Tel</dt><dd>1</dd><dt>Mail</dt><dd>2</dd><dt>Tel</dt><dd>3</dd></dl>",
            "Flow( | Tel Tel: 1 1: Mail Mail: 2 | 2: Tel Tel: 3 )",
        ),
        (
            Declared::Markup,
            "<script>x = {\"tel\": \"1\"}; y</script><input name=tel value=2>",
            "Flow( x = Object( tel: 1 ) ; y name name: tel value  tel: 2 )",
        ),
        (
            Declared::Lines,
            "name: Kim\ntel: 1\n\nname: Lee\nprose\n",
            "Flow( name: name: Kim tel: tel: 1 | | name: name: Lee | prose | | | )",
        ),
        (
            Declared::Lines,
            "data: {\"tel\":\"1\"}\n\nid: 2\n",
            "Flow( | Object( tel: 1 ) | | | id: id: 2 | | )",
        ),
        (
            Declared::Events,
            "data: {\"tel\":\ndata: \"1\"}\n\nid: 2\n",
            "Flow( | Object( tel: 1 ) | | | id: id: 2 | | )",
        ),
        (
            Declared::Events,
            "event: x\ndata: Kim\ndata: 1\n\ndata:Lee\n\n",
            "Flow( event: event: x | data: Kim\ndata: 1 | | | | data:Lee | | | | | )",
        ),
        (
            boundary(),
            "--xyz\r\nContent-Disposition: form-data; name=\"tel\"\r\n\r\n1\r\n--xyz--\r\n",
            "",
        ),
    ];
    for (declared, body, expected) in rows {
        let outline = outline(declared, body);
        if expected.is_empty() {
            assert!(outline.contains("tel: 1"), "{outline}");
        } else {
            assert_eq!(outline, expected, "{declared:?}: {body}");
        }
    }
}

#[test]
fn messages_of_protobuf_and_grpc_are_told_however_cut() {
    let person = b"\x0a\x03Kim\x12\x10kim@mail.example\x18\x05";
    let element = [&[0x0a, person.len() as u8][..], person].concat();
    let page = [b"\x1a\x04page", &element[..], &element].concat();
    let long = [&[0x0a, 0xa0, 0x38][..], "x ".repeat(3_600).as_bytes()].concat();
    let strings = b"\x0a\x01a\x0a\x01b\x12\x01c\x0d1234";
    let frame = |flags: u8, message: &[u8]| [&[flags, 0, 0, 0, message.len() as u8][..], message].concat();
    let frames = [
        frame(0, person),
        frame(0, b""),
        frame(0, strings),
        frame(0x80, b"grpc-status: 0"),
    ]
    .concat();
    let pieces = [frame(0x40, &person[..7]), frame(0x40, &person[7..]), frame(0, b"")].concat();
    let rows: [(Declared, &[u8], &str); 8] = [
        (Declared::Protobuf, person, "Element( f1: Kim f2: kim@mail.example )"),
        (
            Declared::Protobuf,
            &page,
            "Element( f3: page f1: Element( f1: Kim f2: kim@mail.example ) f1: Element( f1: Kim f2: kim@mail.example ) )",
        ),
        (Declared::Protobuf, strings, "Element( f1: Array( a b ) f2: c )"),
        (Declared::Protobuf, b"{\"tel\":\"1\"}", "Object( tel: 1 )"),
        (
            Declared::Protobuf,
            b"\x0a\x03Kim\x12\x10kim@",
            "Element( f1: Kim f2: kim@ )",
        ),
        (
            Declared::Grpc,
            &frames,
            "Element( f1: Kim f2: kim@mail.example ) | | Element( f1: Array( a b ) f2: c ) | Flow( grpc-status: 0 ) |",
        ),
        (Declared::Grpc, &pieces, "Element( f1: Kim f2: kim@mail.example ) |"),
        (Declared::Protobuf, &long, ""),
    ];
    for (declared, body, expected) in rows {
        let mut whole = read(declared, body, 2048, &[]);
        whole.outline.retain(|word| !word.is_empty() && word != ":");
        if !expected.is_empty() {
            assert_eq!(
                whole.outline.join(" "),
                expected,
                "{:?}",
                body.escape_ascii().to_string()
            );
        }
        let every: Vec<usize> = (0..body.len()).collect();
        assert_eq!(read(declared, body, 2048, &every).events, whole.events);
        for cut in 0..body.len() {
            assert_eq!(read(declared, body, 2048, &[cut]).events, whole.events, "cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_told_the_same_as_messages(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..0x20], 0..400), cut in any::<prop::sample::Index>()
    ) {
        let cut = cut.index(bytes.len() + 1);
        for declared in [Declared::Grpc, Declared::Protobuf] {
            let whole = read(declared, &bytes, 64, &[]);
            prop_assert_eq!(&read(declared, &bytes, 64, &[cut]).events, &whole.events, "{:?}", declared);
        }
    }
}

#[test]
fn comments_of_sql_are_told_the_same_however_cut() {
    let body = "/* it's */ /*!40101 SET x='y' */;\n--\n-- don't\nINSERT INTO t (a, -- b's\n--\tc's\n d) VALUES (1--1, -2 -- '\n), \
                (/**/3/*'***/,--- '\n4/2,/*!5*/'-- /*');--it's\n/*/ '*/ SELECT 1 - 2 / 3 --";
    for segment in [1, 64, 2048] {
        for end in 0..=body.len() {
            let body = body.as_bytes().get(..end).unwrap_or_default();
            let whole = read(Declared::Sql, body, segment, &[]);
            let every: Vec<usize> = (0..body.len()).collect();
            assert_eq!(read(Declared::Sql, body, segment, &every).events, whole.events);
        }
        let whole = read(Declared::Sql, body.as_bytes(), segment, &[]);
        for cut in 0..body.len() {
            let told = read(Declared::Sql, body.as_bytes(), segment, &[cut]);
            assert_eq!(told.events, whole.events, "cut at {cut}");
        }
    }
}

#[test]
fn first_bytes_choose_the_reader() {
    let rows = [
        ("<?xml version='1.0'?><a/>", "Element"),
        ("<soap:Envelope/>", "Element"),
        ("<!DOCTYPE html><p>x</p>", "Flow"),
        ("<div>x</div>", "Flow"),
        ("a=1&b=2", "Row"),
        ("[{\"a\":1}]", "Array"),
        ("[\"a\", 1]", "Array"),
        ("[2024-01-01 10:00:00] started\n", "Flow"),
        ("[section]\na=1\n", "Flow"),
        ("-- MySQL dump\n", "Flow"),
        ("a,b,c\n1,2,3\n", "Row"),
        ("just text", "Flow"),
    ];
    for (body, container) in rows {
        let told = read(Declared::Unknown, body.as_bytes(), 2048, &[]);
        let first = told.events.iter().find_map(|event| event.strip_prefix("open "));
        assert!(
            first.is_some_and(|first| first.starts_with(container)),
            "{body}: {first:?}"
        );
    }
}

#[test]
fn deep_and_endless_input_stays_bounded() {
    for unit in [
        "<a>",
        "<a b='",
        "(",
        "'",
        "{\"a\":",
        "[",
        "&",
        "a[0]",
        "<!--",
        "key: ",
        "--xyz\r\n",
        "</",
        "<a ",
    ] {
        let body = unit.repeat(20_000);
        for declared in Declared::ALL.into_iter().chain([boundary()]) {
            read(declared, body.as_bytes(), 2048, &[10, 4096, 30_000]);
        }
    }
}

/// Pieces of every format, to be thrown together.
const PIECES: [&str; 48] = [
    "kim@mail.example",
    "<",
    ">",
    "\"",
    "'",
    "=",
    "&",
    "\n",
    "\r\n",
    " ",
    "<div ",
    "<b>",
    "</b>",
    "</div>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<script>",
    "</script>",
    "= {\"",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "(",
    ")",
    ";",
    "INSERT INTO t VALUES ",
    "COPY t (a) FROM stdin;\n",
    "\\.",
    "\t",
    "--xyz",
    "--",
    "key: ",
    "data: ",
    "&#64;",
    "%40",
    "<tr><td>",
    "<th>",
    "\\",
    "/>",
    "-- ",
    "-",
    "/*",
    "*/",
];

/// Whether what ends a token in some format stands in the way of the value at `at`.
fn is_searched(told: &Told, at: usize, length: usize) -> bool {
    let (start, end) = (at as u64, (at + length) as u64);
    told.searched.iter().any(|(from, to)| *from <= start && end <= *to)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_split_is_told_the_same_and_every_value_is_searched(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        segment in prop::sample::select(vec![1_usize, 64, 2048]),
    ) {
        let body = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let every: Vec<usize> = (0..body.len()).collect();
        for declared in Declared::ALL.into_iter().chain([boundary()]) {
            let whole = read(declared, body.as_bytes(), segment, &[]);
            for split in [&cuts, &every] {
                let told = read(declared, body.as_bytes(), segment, split);
                prop_assert_eq!(&told.events, &whole.events, "{:?}", declared);
            }
            for (at, value) in body.match_indices("kim@mail.example") {
                prop_assert!(is_searched(&whole, at, value.len()), "{:?}: {} in {:?}", declared, at, body);
            }
        }
    }

    #[test]
    fn any_bytes_are_told_the_same(bytes in prop::collection::vec(any::<u8>(), 0..800), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(bytes.len() + 1);
        for declared in Declared::ALL.into_iter().chain([boundary()]) {
            let whole = read(declared, &bytes, 64, &[]);
            prop_assert_eq!(&read(declared, &bytes, 64, &[cut]).events, &whole.events, "{:?}", declared);
        }
    }
}
