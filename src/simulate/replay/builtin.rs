//! The scenarios that are compiled in.

/// Name and text of each.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("coupang-2025", include_str!("../../../scenarios/coupang-2025.toml")),
    (
        "coupang-2025-address",
        include_str!("../../../scenarios/coupang-2025-address.toml"),
    ),
    ("t-mobile-2023", include_str!("../../../scenarios/t-mobile-2023.toml")),
    ("dell-2024", include_str!("../../../scenarios/dell-2024.toml")),
    ("optus-2022", include_str!("../../../scenarios/optus-2022.toml")),
];

/// The text of the scenario `name`.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
