//! Words of US addresses, as the postal service lists them.

/// States, the district and the territories (USPS Publication 28, appendix B).
pub(super) const STATES: &str = "AA AE AK AL AP AR AS AZ CA CO CT DC DE FL FM GA GU HI IA ID IL IN KS KY LA MA MD ME MH MI MN MO MP MS MT NC ND \
                      NE NH NJ NM NV NY OH OK OR PA PR PW RI SC SD TN TX UT VA VI VT WA WI WV WY";

/// Words that name a part of a building (USPS Publication 28, appendix C2), but for those of one letter or no number.
pub(super) const UNITS: [&str; 24] = [
    "apartment",
    "apt",
    "bldg",
    "building",
    "department",
    "dept",
    "fl",
    "floor",
    "hangar",
    "hngr",
    "lot",
    "ofc",
    "office",
    "penthouse",
    "ph",
    "pier",
    "rm",
    "room",
    "slip",
    "space",
    "spc",
    "ste",
    "suite",
    "unit",
];

/// How addresses of the armed forces begin (USPS Publication 28, section 225).
pub(super) const MILITARY: [&str; 7] = ["PSC ", "CMR ", "Unit ", "UNIT ", "USS ", "USNS ", "USCGC "];
