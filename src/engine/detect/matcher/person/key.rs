//! What a field name says about a person's name, in ten languages.

use super::super::super::key_words::KeyWords;
use super::super::super::lexicon::NAME_KEYS;

/// How much a field name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::detect) enum NameKey {
    /// A person's whole name: `customer_name`, `성명`.
    Full,
    /// One part of it: `first_name`, `Nachname`. One word is enough.
    Part,
    /// `name`, `recipient` and the like, which may be a thing or a number too: only known names count.
    Bare,
    /// `nome`, `nombre`, `nom`: the same, but where surnames have a field of their own it is one word.
    Given,
}

/// One word of a field name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// `name`, `nm`, `nombre`.
    Name,
    /// `surname`, `vorname`: a part of a name by itself.
    Part,
    /// `first`, `last`, `given`: a part if `name` stands beside it.
    PartOf,
    /// `full`, `customer`, `cardholder`: with `name` a person's.
    Person,
    /// A person by role: also without `name`, if the value is a known name.
    Role,
    /// A person's whole name in one word: `sungmyung`.
    Whole,
    /// `of`, `kana`, `en`: says nothing.
    Filler,
    /// `product`, `file`, `id`: something else's name, or something else.
    Other,
    Unknown,
}

impl Word {
    const COUNT: usize = Self::Unknown as usize + 1;
}

impl NameKey {
    /// What `key` says; `None` if it speaks of something else.
    pub(in crate::engine::detect) fn of(key: &KeyWords) -> Option<Self> {
        if !key.is_ascii() {
            // A name is a person's, whatever else a column holds: `상호/성명`.
            let is_name = |word: &[u8]| ["성명", "氏名"].iter().any(|name| name.as_bytes() == word);
            if key.holds_any(OTHERS) && !key.iter().any(is_name) {
                return None;
            }
            let last = key.iter().next_back().and_then(|word| std::str::from_utf8(word).ok());
            if matches!(last, Some("성" | "姓" | "名")) {
                return Some(Self::Part);
            }
            if key.holds_any(PARTS) {
                return Some(Self::Part);
            }
            if key.holds_any(FULLS) {
                return Some(Self::Full);
            }
            if key.holds_any(BARES) {
                return Some(Self::Bare);
            }
        }
        if is_opaque(key) {
            return Some(Self::Bare);
        }
        Self::of_latin(key)
    }

    fn of_latin(key: &KeyWords) -> Option<Self> {
        let mut seen = [false; Word::COUNT];
        for word in key.iter().flat_map(pieces).flatten() {
            if let Some(seen) = seen.get_mut(kind(word) as usize) {
                *seen = true;
            }
        }
        let has = |word: Word| seen.get(word as usize).is_some_and(|seen| *seen);
        // `E-mail Display Name` is the name that a mail shows.
        if ends_with(key, [b"display", b"name"]) {
            return Some(Self::Bare);
        }
        // Whoever holds an account is a person, whatever an account is.
        if ends_with(key, [b"holder", b"name"]) && !key.iter().any(|word| word == b"place") {
            return Some(Self::Full);
        }
        if has(Word::Other) {
            return None;
        }
        if has(Word::Whole) {
            return Some(Self::Full);
        }
        if has(Word::Part) || (has(Word::Name) && has(Word::PartOf)) {
            return Some(Self::Part);
        }
        match (has(Word::Name), has(Word::Person) || has(Word::Role)) {
            (true, true) => Some(Self::Full),
            (true, false)
                if key
                    .iter()
                    .any(|word| matches!(word, b"nom" | b"nome" | b"nombre" | b"nombres")) =>
            {
                Some(Self::Given)
            }
            (true, false) => Some(Self::Bare),
            (false, _) => ((has(Word::Role) || has(Word::PartOf)) && !has(Word::Unknown)).then_some(Self::Bare),
        }
    }
}

/// Whether a field name ends with these words.
fn ends_with(key: &KeyWords, words: [&[u8]; 2]) -> bool {
    let last = key.iter().rev().zip(words.into_iter().rev());
    last.filter(|(word, wanted)| word == wanted).count() == words.len()
}

/// Words that say of a field no more than that it is one.
pub(in crate::engine::detect) const OPAQUE_WORDS: [&str; 9] =
    ["col", "column", "field", "fld", "attr", "val", "cell", "item", "data"];

/// A field name that says nothing: one letter, or `f`, `col` and the like with a number.
pub(in crate::engine::detect) fn is_opaque(key: &KeyWords) -> bool {
    let is_one = |word: &[u8]| OPAQUE_WORDS.iter().any(|opaque| opaque.as_bytes() == word);
    key.only()
        .is_some_and(|word| (word.len() == 1 && word.is_ascii()) || is_one(word))
}

/// A compound in two: `fullname`, `kundenname`, `custnm`; else the word itself.
fn pieces(word: &[u8]) -> [Option<&[u8]>; 2] {
    if kind(word) != Word::Unknown {
        return [Some(word), None];
    }
    for ending in [&b"name"[..], b"names", b"nm", b"nombre"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.len() >= 2) {
            return [Some(stem), Some(b"name")];
        }
    }
    [Some(word), None]
}

fn kind(word: &[u8]) -> Word {
    match NAME_KEYS.tag(word) {
        Some(b"name") => Word::Name,
        Some(b"part") => Word::Part,
        Some(b"part-of") => Word::PartOf,
        Some(b"person") => Word::Person,
        Some(b"role") => Word::Role,
        Some(b"whole") => Word::Whole,
        Some(b"filler") => Word::Filler,
        Some(_) => Word::Other,
        None => Word::Unknown,
    }
}

/// Korean, Japanese, Chinese and Hindi words of things and of other properties.
const OTHERS: &[&str] = &[
    "상품",
    "제품",
    "품목",
    "물품",
    "파일",
    "회사",
    "업체",
    "기업",
    "법인",
    "상호",
    "브랜드",
    "매장",
    "점포",
    "지점",
    "가게",
    "은행",
    "카테고리",
    "옵션",
    "닉네임",
    "아이디",
    "번호",
    "전화",
    "연락처",
    "주소",
    "메일",
    "코드",
    "날짜",
    "일자",
    "일시",
    "금액",
    "휴대폰",
    "우편",
    "생년",
    "생일",
    "유형",
    "구분",
    "부서",
    "직급",
    "학교",
    "병원",
    "건물",
    "도시",
    "국가",
    "관계",
    "수단",
    "메모",
    "요청",
    "상태",
    "등급",
    "여부",
    "도로명",
    "건수",
    "명수",
    "인원",
    "성별",
    "等级",
    "等級",
    "商品",
    "製品",
    "品名",
    "会社",
    "法人",
    "店舗",
    "店名",
    "ファイル",
    "電話",
    "番号",
    "住所",
    "メール",
    "銀行",
    "支店",
    "都市",
    "市区",
    "町名",
    "国名",
    "ユーザー名",
    "ユーザ名",
    "ブランド",
    "型番",
    "部署",
    "学校",
    "生年",
    "性別",
    "日付",
    "备注",
    "備考",
    "产品",
    "產品",
    "公司",
    "企业",
    "电话",
    "手机",
    "手機",
    "地址",
    "邮箱",
    "信箱",
    "编号",
    "編號",
    "号码",
    "號碼",
    "城市",
    "银行",
    "文件",
    "品牌",
    "类型",
    "日期",
    "邮编",
    "用户名",
    "用戶名",
    "名称",
    "名稱",
    "उत्पाद",
    "कंपनी",
];
/// Parts of a name.
const PARTS: &[&str] = &["苗字", "名字", "姓氏", "उपनाम", "पहला नाम", "अंतिम नाम"];
/// People's names.
const FULLS: &[&str] = &[
    "성명",
    "성함",
    "고객명",
    "고객이름",
    "회원명",
    "회원이름",
    "수령인",
    "수령자",
    "수취인",
    "받는",
    "받으시는",
    "주문자",
    "주문하신",
    "구매자",
    "예금주",
    "보내는",
    "보내시는",
    "발송인",
    "송하인",
    "수하인",
    "신청자",
    "신청인",
    "담당자",
    "환자명",
    "학생명",
    "대표자",
    "본명",
    "실명",
    "이용자명",
    "사용자명",
    "직원명",
    "사원명",
    "가입자",
    "계약자",
    "피보험자",
    "보호자",
    "예약자",
    "소유자",
    "입금자",
    "フリガナ",
    "ふりがな",
    "氏名",
    "お名前",
    "御名前",
    "姓名",
    "宛名",
    "受取人",
    "届け先名",
    "お届け先氏名",
    "顧客名",
    "会員名",
    "注文者",
    "購入者",
    "担当者",
    "名義人",
    "名義",
    "契約者",
    "患者名",
    "收件人",
    "收货人",
    "收貨人",
    "联系人",
    "聯絡人",
    "联络人",
    "买家",
    "買家",
    "持卡人",
    "户名",
    "戶名",
    "寄件人",
    "订购人",
    "訂購人",
    "客户",
    "客戶",
    "ग्राहक",
];
/// Words that people share with things.
const BARES: &[&str] = &["이름", "名前", "नाम", "届け先", "社員", "従業員", "生徒"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let full = Some(NameKey::Full);
        let (part, bare) = (Some(NameKey::Part), Some(NameKey::Bare));
        let rows = [
            ("customer_name", full),
            ("custNm", full),
            ("CUSTNM", full),
            ("fullname", full),
            ("buyer.fullName", full),
            ("recipient_name2", full),
            ("Nom du client", full),
            ("Kundenname", full),
            ("billing_name", full),
            ("name_on_card", full),
            ("user_name_kr", bare),
            ("first_name", part),
            ("LastName", part),
            ("prénom", part),
            ("billing_last_name", part),
            ("sei_name", part),
            ("name", bare),
            ("recipient", bare),
            ("Empfänger", bare),
            ("displayName", bare),
            ("E-mail Display Name", bare),
            ("Ship to", bare),
            ("Ordered by", bare),
            ("BankAccountHolderName", full),
            ("상품성명", None),
            ("Empleado", bare),
            ("お届け先", bare),
            ("お届け先住所", None),
            ("ship_method", None),
            ("fullnm", full),
            ("gogaekNm", full),
            ("sungmyung", full),
            ("SN", part),
            ("nombre", Some(NameKey::Given)),
            ("product_name", None),
            ("filename", None),
            ("username", bare),
            ("hostname", None),
            ("customer_id", None),
            ("member_since", None),
            ("owner", bare),
            ("성명", full),
            ("성", part),
            ("users[0].名", part),
            ("user.0.contact_person", bare),
            ("성별", None),
            ("상호/성명", full),
            ("받는 사람", full),
            ("받는사람 전화번호", None),
            ("상품명", None),
            ("이름", bare),
            ("氏名（カナ）", full),
            ("店舗名", None),
            ("收货人姓名", full),
            ("客户编号", None),
            ("title", None),
            ("", None),
        ];
        for (key, expected) in rows {
            assert_eq!(NameKey::of(&KeyWords::of(key.as_bytes())), expected, "{key}");
        }
    }
}
