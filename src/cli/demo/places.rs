//! Where the synthetic people live: real streets and towns, so that addresses have the shape that detectors know.

/// A town: its telephone area code and one of its ZIP codes belong together.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) zip: &'static str,
    pub(super) area: u16,
}

const fn place(city: &'static str, state: &'static str, zip: &'static str, area: u16) -> Place {
    Place { city, state, zip, area }
}

/// Fifty towns with fifty different area codes.
pub(super) const AMERICAN_PLACES: [Place; 50] = [
    place("New York", "NY", "10025", 212),
    place("Los Angeles", "CA", "90012", 213),
    place("Dallas", "TX", "75204", 214),
    place("Philadelphia", "PA", "19103", 215),
    place("Cleveland", "OH", "44113", 216),
    place("Springfield", "IL", "62704", 217),
    place("Duluth", "MN", "55802", 218),
    place("Baton Rouge", "LA", "70802", 225),
    place("Houston", "TX", "77006", 713),
    place("Seattle", "WA", "98103", 206),
    place("Boise", "ID", "83702", 208),
    place("Stockton", "CA", "95202", 209),
    place("San Antonio", "TX", "78205", 210),
    place("Portland", "ME", "04101", 207),
    place("Mobile", "AL", "36602", 251),
    place("Tacoma", "WA", "98402", 253),
    place("Waco", "TX", "76701", 254),
    place("Milwaukee", "WI", "53202", 414),
    place("Fort Wayne", "IN", "46802", 260),
    place("Kalamazoo", "MI", "49007", 269),
    place("Denver", "CO", "80205", 303),
    place("Charleston", "WV", "25301", 304),
    place("Miami", "FL", "33130", 305),
    place("Grand Island", "NE", "68801", 308),
    place("Peoria", "IL", "61602", 309),
    place("Chicago", "IL", "60614", 312),
    place("Detroit", "MI", "48226", 313),
    place("Saint Louis", "MO", "63103", 314),
    place("Syracuse", "NY", "13202", 315),
    place("Wichita", "KS", "67202", 316),
    place("Indianapolis", "IN", "46204", 317),
    place("Shreveport", "LA", "71101", 318),
    place("Dubuque", "IA", "52001", 563),
    place("Orlando", "FL", "32801", 407),
    place("Birmingham", "AL", "35203", 205),
    place("Pittsburgh", "PA", "15222", 412),
    place("San Francisco", "CA", "94110", 415),
    place("Toledo", "OH", "43604", 419),
    place("Chattanooga", "TN", "37402", 423),
    place("Baltimore", "MD", "21201", 410),
    place("Louisville", "KY", "40202", 502),
    place("Portland", "OR", "97205", 503),
    place("New Orleans", "LA", "70112", 504),
    place("Albuquerque", "NM", "87102", 505),
    place("Worcester", "MA", "01608", 508),
    place("Spokane", "WA", "99201", 509),
    place("Austin", "TX", "78702", 512),
    place("Cincinnati", "OH", "45202", 513),
    place("Des Moines", "IA", "50309", 515),
    place("Tucson", "AZ", "85701", 520),
];

/// Road names as the Korean road-name address system writes them: city or province, district, road.
pub(super) const KOREAN_STREETS: [&str; 20] = [
    "서울특별시 강남구 테헤란로",
    "서울특별시 종로구 세종대로",
    "서울특별시 마포구 월드컵북로",
    "서울특별시 송파구 올림픽로",
    "서울특별시 서초구 반포대로",
    "서울특별시 영등포구 여의대로",
    "부산광역시 해운대구 센텀중앙로",
    "부산광역시 부산진구 중앙대로",
    "대구광역시 수성구 동대구로",
    "인천광역시 연수구 컨벤시아대로",
    "광주광역시 서구 상무중앙로",
    "대전광역시 유성구 대학로",
    "울산광역시 남구 삼산로",
    "세종특별자치시 한누리대로",
    "경기도 수원시 영통구 광교로",
    "경기도 성남시 분당구 판교역로",
    "경기도 고양시 일산동구 중앙로",
    "강원특별자치도 춘천시 중앙로",
    "전북특별자치도 전주시 완산구 홍산로",
    "제주특별자치도 제주시 연북로",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fifty_area_codes_differ_and_are_valid() {
        let areas = AMERICAN_PLACES.iter().map(|place| place.area).collect::<BTreeSet<_>>();
        assert_eq!(areas.len(), AMERICAN_PLACES.len());
        // NPA: [2-9][0-8][0-9], and no N11.
        assert!(
            areas
                .iter()
                .all(|area| (200..990).contains(area) && area / 10 % 10 != 9 && area % 100 != 11)
        );
    }
}
