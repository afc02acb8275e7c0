//! The second peer: Vectorscan (Debian's `libvectorscan-dev`), all kinds in one database with the start of each match,
//! over the whole text at once, each match validated.
//!
//! It tells every end of a match and each start again with it, so the last end of a start is the one to validate.

#![expect(unsafe_code, reason = "a C library is called, only to be measured beside the engine")]

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

use super::peer::{self, Counts, KINDS};

/// What `hs_compile_multi` compiles to, and the memory of a scan; both are the library's.
pub(crate) struct Vectorscan {
    database: *mut c_void,
    scratch: *mut c_void,
}

/// `HS_MODE_BLOCK` and `HS_FLAG_SOM_LEFTMOST` of `hs/hs_compile.h`.
const MODE_BLOCK: c_uint = 1;
const FLAG_SOM_LEFTMOST: c_uint = 256;

type OnMatch = extern "C" fn(id: c_uint, from: u64, to: u64, flags: c_uint, context: *mut c_void) -> c_int;

#[link(name = "hs")]
unsafe extern "C" {
    fn hs_compile_multi(
        expressions: *const *const c_char,
        flags: *const c_uint,
        ids: *const c_uint,
        elements: c_uint,
        mode: c_uint,
        platform: *const c_void,
        database: *mut *mut c_void,
        error: *mut *mut c_void,
    ) -> c_int;
    fn hs_alloc_scratch(database: *const c_void, scratch: *mut *mut c_void) -> c_int;
    fn hs_scan(
        database: *const c_void,
        data: *const c_char,
        length: c_uint,
        flags: c_uint,
        scratch: *mut c_void,
        on_match: OnMatch,
        context: *mut c_void,
    ) -> c_int;
    fn hs_version() -> *const c_char;
}

impl Vectorscan {
    /// All kinds in one database, for the processor that this runs on.
    pub(crate) fn compile() -> Self {
        let patterns =
            KINDS.map(|kind| CString::new(kind.relaxed.unwrap_or(kind.pattern)).expect("no pattern has a NUL"));
        let pointers: Vec<*const c_char> = patterns.iter().map(|pattern| pattern.as_ptr()).collect();
        let flags = [FLAG_SOM_LEFTMOST; KINDS.len()];
        let ids: Vec<c_uint> = (0..).take(KINDS.len()).collect();
        let (mut database, mut scratch, mut error) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the three lists have as many elements as is said and outlive the call, which writes two pointers; a
        // null platform is the processor at hand.
        let compiled = unsafe {
            hs_compile_multi(
                pointers.as_ptr(),
                flags.as_ptr(),
                ids.as_ptr(),
                KINDS.len() as c_uint,
                MODE_BLOCK,
                std::ptr::null(),
                &raw mut database,
                &raw mut error,
            )
        };
        assert_eq!(compiled, 0, "Vectorscan takes the patterns");
        // SAFETY: the database has just been made, and the call writes one pointer.
        let allocated = unsafe { hs_alloc_scratch(database, &raw mut scratch) };
        assert_eq!(allocated, 0, "Vectorscan has memory to scan with");
        Self { database, scratch }
    }

    /// How many valid matches there are.
    pub(crate) fn count(&self, haystack: &[u8]) -> Counts {
        let mut matches = Matches {
            haystack,
            open: [(0, 0); KINDS.len()],
            counts: Counts::default(),
        };
        let length = c_uint::try_from(haystack.len()).expect("a corpus has less than 4 GiB");
        // SAFETY: `haystack` has so many bytes; database and scratch are of `compile`, and the scratch is in no other use
        // since it is shared with no thread; the context is what `on_match` takes it for, and outlives the call.
        let scanned = unsafe {
            let context = (&raw mut matches).cast();
            hs_scan(
                self.database,
                haystack.as_ptr().cast(),
                length,
                0,
                self.scratch,
                on_match,
                context,
            )
        };
        assert_eq!(scanned, 0, "Vectorscan reads to the end");
        (0..KINDS.len()).for_each(|kind| matches.validate(kind));
        matches.counts
    }

    /// What the library says it is.
    pub(crate) fn version() -> String {
        // SAFETY: the library returns a text that ends with NUL and stays.
        let version = unsafe { std::ffi::CStr::from_ptr(hs_version()) };
        version.to_string_lossy().into_owned()
    }
}

/// The match of each kind whose last end is not yet known.
struct Matches<'h> {
    haystack: &'h [u8],
    open: [(u64, u64); KINDS.len()],
    counts: Counts,
}

impl Matches<'_> {
    fn end(&mut self, kind: usize, from: u64, to: u64) {
        let Some(&(start, end)) = self.open.get(kind) else {
            return;
        };
        if from != start && from < end {
            return; // Begins within the one before it.
        }
        if from != start {
            self.validate(kind);
        }
        if let Some(open) = self.open.get_mut(kind) {
            *open = (from, to);
        }
    }

    fn validate(&mut self, kind: usize) {
        let Some(&(from, to)) = self.open.get(kind).filter(|(_, to)| *to > 0) else {
            return;
        };
        let mut from = from as usize;
        if KINDS.get(kind).is_some_and(|kind| kind.relaxed.is_some()) {
            let is_local = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
            let head = self.haystack.get(..from).unwrap_or_default();
            from -= head.iter().rev().take(63).take_while(is_local).count();
        }
        peer::note(kind, self.haystack.get(from..to as usize), &mut self.counts);
    }
}

extern "C" fn on_match(id: c_uint, from: u64, to: u64, _: c_uint, context: *mut c_void) -> c_int {
    // SAFETY: `count` gives this context, and uses it again only after the scan.
    let matches = unsafe { &mut *context.cast::<Matches<'_>>() };
    matches.end(id as usize, from, to);
    0
}
