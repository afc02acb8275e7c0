//! Names in Hangul, in Han characters and kana, and in other letters: a surname and what may follow it.

use super::super::super::fold::is_alphabetic;
use super::super::super::lexicon::{SURNAMES_JA, SURNAMES_ZH};
use super::NameKey;

/// Korean surnames of one syllable (those of more than about a thousand bearers, Statistics Korea, census of 2015).
static SURNAMES_KO: Syllables = Syllables::of(
    "가간갈감강견경계고곡공곽교구국궁권금기길김나남남노뇌단담당대도독동두라려로류마맹명모목묘문민박반방배백범변복봉부비빈빙사삼상서석선설섭성소손송순승시신심아안양어엄여연염엽예오옥온옹왕요용우원위유육윤은음이인임자장전점정제조종좌주준지진차창채천초최추탁태팽편평포표피필하학한함허현형호홍화환황후",
);
/// Korean surnames of two syllables.
const SURNAMES_KO_DOUBLE: [&str; 9] = ["남궁", "황보", "제갈", "사공", "선우", "서문", "독고", "동방", "망절"];
/// Syllables of most Korean given names, as the Supreme Court of Korea's lists of registered names show them.
static GIVEN_KO: Syllables = Syllables::of(
    "가강건겸경고관광교구국권규균근금기길나낙남노다단달담대덕도동두라란람래려련렬령로록루류률리린림마만말명모목무문미민배백범벽별병보복봉빈사산삼상새서석선설섭성세소손솔송수숙순슬승시식신실심아안애양언여연열영예오옥온완용우욱운웅원월위유윤율은을음의이익인일임자장재전정제조종주준중지직진차찬창채천철청초춘충치태택평표필하학한해행향헌혁현형혜호홍화환황효후훈휘흥희름슬샘봄결빛늘솜아누리로담온",
);
/// Words that stand where a name would.
const STOPS_KO: &[&str] = &[
    "이름",
    "성명",
    "성함",
    "고객",
    "고객명",
    "고객님",
    "주소",
    "전화",
    "회원",
    "회원명",
    "주문자",
    "구매자",
    "수령인",
    "수취인",
    "신청인",
    "신청자",
    "예금주",
    "담당자",
    "이용자",
    "사용자",
    "관리자",
    "선택",
    "없음",
    "미정",
    "기타",
    "전체",
    "여성",
    "남성",
    "정보",
    "정보없음",
    "비회원",
    "탈퇴회원",
    "공지",
    "공지사항",
    "문의",
    "문의하기",
    "이벤트",
    "이메일",
    "설정",
    "주문",
    "배송",
    "안내",
    "확인",
    "취소",
    "신규",
    "기본",
    "지정",
    "전화번호",
    "연락처",
    "상품",
    "상품명",
    "상호",
    "성별",
    "수량",
    "은행",
];
/// Their first and their last syllables: few names have both.
static STOPS_KO_FIRST: Syllables = Syllables::first_of(STOPS_KO);
static STOPS_KO_LAST: Syllables = Syllables::last_of(STOPS_KO);
/// The same in Japanese and Chinese.
const STOPS_HAN: &[&str] = &[
    "姓名",
    "氏名",
    "名前",
    "お名前",
    "不明",
    "未知",
    "匿名",
    "管理者",
    "管理员",
    "管理員",
    "担当者",
    "客户",
    "客戶",
    "会員",
    "商品",
    "商品名",
    "注文者",
    "全部",
    "其他",
    "その他",
    "収件人",
    "收件人",
    "收货人",
    "收貨人",
    "联系人",
    "聯絡人",
    "フリガナ",
    "ふりがな",
    "なし",
    "无",
    "無",
    "测试",
    "測試",
    "公司",
    "会社",
    "店舗",
    "高級",
    "高级",
    "白色",
    "黑色",
    "黄色",
    "金色",
];

/// A set of syllables of Hangul, a bit for each.
struct Syllables([u64; SYLLABLES / 64 + 1]);

/// From `가` to `힣`.
const SYLLABLES: usize = 11_172;
const FIRST_SYLLABLE: u32 = '가' as u32;

impl Syllables {
    /// Those of `text`, which is of nothing else.
    const fn of(text: &str) -> Self {
        let mut set = Self([0; SYLLABLES / 64 + 1]);
        let mut at = 0;
        while at < text.len() {
            set.add(text.as_bytes(), at);
            at += 3;
        }
        set
    }

    /// The first of each of `words`.
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    const fn first_of(words: &[&str]) -> Self {
        let mut set = Self([0; SYLLABLES / 64 + 1]);
        let mut word = 0;
        while word < words.len() {
            set.add(words[word].as_bytes(), 0);
            word += 1;
        }
        set
    }

    /// The last of each of `words`.
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    const fn last_of(words: &[&str]) -> Self {
        let mut set = Self([0; SYLLABLES / 64 + 1]);
        let mut word = 0;
        while word < words.len() {
            set.add(words[word].as_bytes(), words[word].len() - 3);
            word += 1;
        }
        set
    }

    /// Adds the syllable at `at`, three bytes in UTF-8.
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    const fn add(&mut self, text: &[u8], at: usize) {
        let code = (text[at] as u32 & 0xf) << 12 | (text[at + 1] as u32 & 0x3f) << 6 | (text[at + 2] as u32 & 0x3f);
        let place = (code - FIRST_SYLLABLE) as usize;
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn has(&self, letter: char) -> bool {
        let place = u32::from(letter).wrapping_sub(FIRST_SYLLABLE) as usize;
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

/// Whether `name` is a person's name in a script other than Latin.
pub(super) fn is_name(key: NameKey, name: &str) -> bool {
    if name.chars().any(is_hangul) {
        return is_korean(key, name);
    }
    if name.chars().any(|letter| is_han(letter) || is_kana(letter)) {
        return is_han_name(key, name);
    }
    // Devanagari, Cyrillic and others: whole words of letters; alone, a bare field name does not make them a name.
    let words = name.split_whitespace();
    let count = words.clone().count();
    let letters = |word: &str| {
        word.chars()
            .all(|letter| is_alphabetic(letter) || is_sign(letter) || letter == '.')
    };
    let least = if key == NameKey::Part { 1 } else { 2 };
    (least..=5).contains(&count) && words.clone().all(|word| letters(word) && word.chars().count() <= 20)
}

/// `김도윤`, `남궁 민수`, `김철수님`; under a field name for one part, the part.
fn is_korean(key: NameKey, name: &str) -> bool {
    let name = ["고객님", "님", "씨", "귀하"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
        .trim();
    let mut words = name.split_whitespace();
    let (Some(first), second, None) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let mut joined = smallvec::SmallVec::<[char; 8]>::new();
    joined.extend(first.chars().chain(second.unwrap_or_default().chars()).take(7));
    let syllables = joined.len();
    if !joined.iter().all(|letter| is_hangul(*letter)) || is_stop(name, &joined) {
        return false;
    }
    let double = SURNAMES_KO_DOUBLE.iter().any(|surname| name.starts_with(surname));
    let single = joined.first().is_some_and(|letter| SURNAMES_KO.has(*letter));
    // A blank parts surname and given name, not two words.
    let parted = second.is_none_or(|_| first.chars().count() <= 2);
    let given = |from: usize| {
        let given = joined.get(from..).unwrap_or_default();
        given.len() == 2 && given.iter().all(|letter| GIVEN_KO.has(*letter))
    };
    let given_of_one = joined.get(2).is_some_and(|letter| GIVEN_KO.has(*letter));
    match key {
        NameKey::Part => second.is_none() && (1..=4).contains(&syllables),
        NameKey::Full => {
            parted && ((single && (2..=4).contains(&syllables)) || (double && (3..=5).contains(&syllables)))
        }
        NameKey::Bare | NameKey::Given => {
            parted && ((single && given(1)) || (double && (given(2) || syllables == 3 && given_of_one)))
        }
    }
}

/// Whether `name`, of these syllables, is a word that stands where a name would.
fn is_stop(name: &str, syllables: &[char]) -> bool {
    let is_of = |set: &Syllables, letter: Option<&char>| letter.is_some_and(|letter| set.has(*letter));
    is_of(&STOPS_KO_FIRST, syllables.first()) && is_of(&STOPS_KO_LAST, syllables.last()) && STOPS_KO.contains(&name)
}

/// `佐藤京助`, `佐藤 京助`, `欧阳娜娜`; kana (`サトウ ケイスケ`) under a field name that leaves no doubt.
fn is_han_name(key: NameKey, name: &str) -> bool {
    let name = ["様", "さま", "さん", "殿", "先生", "女士", "小姐"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
        .trim();
    let mut words = name.split(|letter: char| letter.is_whitespace() || letter == '・' || letter == '·');
    let (Some(first), second, None) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let letters = first.chars().chain(second.unwrap_or_default().chars());
    let count = letters.clone().count();
    if !letters.clone().all(|letter| is_han(letter) || is_kana(letter)) || STOPS_HAN.contains(&name) || is_firm(name) {
        return false;
    }
    if key == NameKey::Part {
        return second.is_none() && (1..=6).contains(&count);
    }
    let surname = begins_with_surname(name);
    let kana = letters.clone().all(is_kana);
    match (key, second) {
        (NameKey::Full, Some(_)) => (2..=12).contains(&count),
        (NameKey::Full, None) => (surname && (2..=7).contains(&count)) || (kana && (3..=12).contains(&count)),
        (_, Some(_)) => surname && !kana && (2..=8).contains(&count),
        (_, None) => surname && !kana && (2..=5).contains(&count),
    }
}

/// Whether `name` begins with a Japanese or Chinese surname and goes on.
fn begins_with_surname(name: &str) -> bool {
    let mut ends = name.char_indices().map(|(index, _)| index).skip(1).take(3);
    ends.any(|end| {
        let head = name.as_bytes().get(..end).unwrap_or_default();
        SURNAMES_JA.has(head) || SURNAMES_ZH.has(head)
    })
}

/// Whether the name has a word of a firm.
fn is_firm(name: &str) -> bool {
    [
        "会社", "公司", "商店", "銀行", "银行", "学校", "病院", "医院", "大学", "商事", "工業", "工业",
    ]
    .iter()
    .any(|word| name.contains(word))
}

pub(super) fn is_hangul(letter: char) -> bool {
    ('가'..='힣').contains(&letter)
}

pub(super) fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}' | '々' | 'ヶ')
}

pub(super) fn is_kana(letter: char) -> bool {
    matches!(letter, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}')
}

/// A vowel sign or joiner of an Indic script, which is no letter by itself.
fn is_sign(letter: char) -> bool {
    matches!(letter, '\u{900}'..='\u{dff}' | '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_syllables_has_its_own_and_no_others() {
        static SET: Syllables = Syllables::of("가힣김");
        for letter in ('\0'..=char::MAX).filter(|letter| SET.has(*letter)) {
            assert!("가힣김".contains(letter), "{letter}");
        }
        assert!("가힣김".chars().all(|letter| SET.has(letter)));
        for word in STOPS_KO {
            let syllables: Vec<char> = word.chars().collect();
            assert!(is_stop(word, &syllables), "{word}");
        }
    }
}
