//! The built-in matchers: each tries one shape at one place that a trigger found. No regular expression among them.

mod account;
mod address_form;
mod address_han;
mod address_key;
mod address_kr;
mod address_latin;
mod address_near;
mod address_us;
mod address_words;
mod birth_date;
mod card;
mod email;
mod iban;
mod id;
mod keyed;
mod national;
mod numbering;
mod person;
mod phone;
mod phone_slash;
mod phone_vote;
mod plan;
mod postcode;
mod rrn;
mod ssn;
mod street;
mod tld;
mod usps;

use std::ops::Range;

use super::hint::Named;
use super::{Category, Normal};

pub(super) use account::find as account;
pub(super) use address_form::normal as address;
pub(super) use address_han::find as address_han;
pub(super) use address_kr::find as address_kr;
pub(super) use address_latin::Ahead;
pub(super) use address_latin::find as address_latin;
pub(super) use address_us::find as address_us;
pub(super) use card::find as card;
pub(super) use email::find as email;
pub(super) use iban::find as iban;
pub(super) use id::{each as each_id, may_begin as may_begin_id};
pub(super) use keyed::Keyed;
pub(super) use national::find as phone_national;
pub(super) use person::{
    NameKey, OPAQUE_WORDS, greeted as greeted_name, honoured as honoured_names, is_opaque, shown as shown_name,
};
pub(super) use phone::{international as phone_e164, korean as phone_kr, north_american as phone_us};
pub(super) use phone_vote::may_vote as phone_may_vote;
pub(super) use rrn::find as rrn;
pub(super) use ssn::find as ssn;

/// A matcher that is compiled in; a rule names it and gives it class, context words, validator and weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    /// An e-mail address.
    Email,
    /// A telephone number with a plus sign.
    PhoneE164,
    /// A Korean number as it is dialled in Korea.
    PhoneKr,
    /// A number of the North American plan as it is dialled there.
    PhoneUs,
    /// A number as it is dialled in one of the countries whose spellings are known.
    PhoneNational,
    /// A payment card.
    Card,
    /// A Korean resident or foreigner registration number.
    Rrn,
    /// A US social security number.
    Ssn,
    /// An international bank account number.
    Iban,
    /// A Korean street address, by road or by lot.
    AddressKr,
    /// A US street address.
    AddressUs,
    /// A bank account without IBAN.
    Account,
    /// A Korean passport.
    KrPassport,
    /// A Korean driving licence.
    KrDriver,
    /// A Korean business registration: a company's or a sole trader's, so it identifies nobody alone.
    KrBusiness,
    /// A Korean personal customs clearance code.
    KrCustoms,
    /// A US individual taxpayer identification number.
    UsItin,
    /// A Japanese individual number.
    JpMyNumber,
    /// A Chinese resident identity number.
    CnId,
    /// A Taiwanese national or residents' id.
    TwId,
    /// A British national insurance number.
    GbNino,
    /// An English NHS number.
    GbNhs,
    /// A German tax identification number.
    DeTaxId,
    /// A French social security number.
    FrNir,
    /// A Spanish DNI or NIE.
    EsDni,
    /// A Brazilian taxpayer number.
    BrCpf,
    /// An Indian Aadhaar number.
    InAadhaar,
    /// An Indian permanent account number.
    InPan,
    /// A street address in Latin letters of another country, with its postal code.
    AddressLatin,
    /// A Japanese, Chinese or Taiwanese street address.
    AddressHan,
    /// A street address, by its field name.
    AddressByKey,
    /// A person's name, by its field name.
    PersonName,
    /// A date of birth, by its field name.
    BirthDate,
    /// The number of an order, by its field name.
    OrderId,
    /// What opens a door, by its field name.
    DoorCode,
    /// What lets somebody in, by the whole of its field name. Nothing is searched for it: see `RuleSet::is_credential`.
    Token,
}

impl Builtin {
    /// How many there are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// What its values may stand for.
    pub(super) const fn category(self) -> Category {
        match self {
            Self::Email => Category::Email,
            Self::PhoneE164 | Self::PhoneKr | Self::PhoneUs | Self::PhoneNational => Category::Phone,
            Self::Card | Self::Iban | Self::Account => Category::Account,
            Self::Rrn
            | Self::Ssn
            | Self::KrPassport
            | Self::KrDriver
            | Self::KrCustoms
            | Self::UsItin
            | Self::JpMyNumber
            | Self::CnId
            | Self::TwId
            | Self::GbNino
            | Self::GbNhs
            | Self::DeTaxId
            | Self::FrNir
            | Self::EsDni
            | Self::BrCpf
            | Self::InAadhaar
            | Self::InPan => Category::NationalId,
            Self::AddressKr | Self::AddressUs | Self::AddressLatin | Self::AddressHan | Self::AddressByKey => {
                Category::Address
            }
            Self::PersonName => Category::Name,
            Self::KrBusiness | Self::BirthDate | Self::OrderId | Self::DoorCode => Category::Weak,
            Self::Token => Category::Credential,
        }
    }

    /// Whether it looks at whole cells only, and only under a field name that has a context word of its rule.
    pub(super) const fn is_keyed(self) -> bool {
        matches!(
            self,
            Self::AddressByKey | Self::PersonName | Self::BirthDate | Self::OrderId | Self::DoorCode
        )
    }
}

impl Named for Builtin {
    const ALL: &'static [(&'static str, Self)] = &[
        ("email", Self::Email),
        ("phone-e164", Self::PhoneE164),
        ("phone-kr", Self::PhoneKr),
        ("phone-us", Self::PhoneUs),
        ("phone-national", Self::PhoneNational),
        ("card", Self::Card),
        ("rrn", Self::Rrn),
        ("ssn", Self::Ssn),
        ("iban", Self::Iban),
        ("address-kr", Self::AddressKr),
        ("address-us", Self::AddressUs),
        ("account", Self::Account),
        ("kr-passport", Self::KrPassport),
        ("kr-driver", Self::KrDriver),
        ("kr-business", Self::KrBusiness),
        ("kr-customs", Self::KrCustoms),
        ("us-itin", Self::UsItin),
        ("jp-mynumber", Self::JpMyNumber),
        ("cn-id", Self::CnId),
        ("tw-id", Self::TwId),
        ("gb-nino", Self::GbNino),
        ("gb-nhs", Self::GbNhs),
        ("de-taxid", Self::DeTaxId),
        ("fr-nir", Self::FrNir),
        ("es-dni", Self::EsDni),
        ("br-cpf", Self::BrCpf),
        ("in-aadhaar", Self::InAadhaar),
        ("in-pan", Self::InPan),
        ("address-latin", Self::AddressLatin),
        ("address-han", Self::AddressHan),
        ("address-by-key", Self::AddressByKey),
        ("person-name", Self::PersonName),
        ("birth-date", Self::BirthDate),
        ("order-id", Self::OrderId),
        ("door-code", Self::DoorCode),
        ("token", Self::Token),
    ];
}

/// A shape that fits. It becomes a finding if its rule's validator, veto and context agree.
pub(super) struct Candidate {
    /// The first byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// The normal form; empty of a street address, which is written once it has won over what overlaps it.
    pub(super) normal: Normal,
    /// Whether the spelling is too weak to stand without a context word.
    pub(super) weak: bool,
}

impl Candidate {
    /// A street address.
    fn address(place: Range<usize>, weak: bool) -> Self {
        Self {
            start: place.start,
            end: place.end,
            normal: Normal::default(),
            weak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matcher_has_its_name_at_its_number() {
        for (index, (name, builtin)) in Builtin::ALL.iter().enumerate() {
            assert_eq!(*builtin as usize, index, "{name}");
        }
    }
}
