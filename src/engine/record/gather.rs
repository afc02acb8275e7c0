//! Elements of arrays that are no records by themselves: the cells of a row, and the phones and mail addresses of one person.
//!
//! ```text
//!   {"name":"Kim","emails":["kim@..."],"phones":[{"type":"home","number":"02..."},{"type":"work","number":"010..."}]}   one
//!   {"attributes":[{"key":"phone","value":"02..."},{"key":"mail","value":"kim@..."}]}                                     one
//!   {"rows":[{"f":[{"v":"kim@..."},{"v":"010..."}]}]}    [["kim@...","010..."],["lee@...","010..."]]           one a row
//!   {"name":"Kim","attributes":{"mail":["kim@..."]},"receivers":[{"name":"Kim","phone":"010..."}]}                       one
//! ```
//! What is gathered counts as it would if it stood in one object: values of several classes are one person's, several values
//! of one class in a row are several people, and of those in a list the first three are one person's. A list of one element is no list
//! of people but an object in brackets, of an object that names the same person or has told nobody besides.

use smallvec::SmallVec;

use super::Item;
use super::assembler::Assembler;
use super::frame::{Frame, Gather, Member, Shape, carries};
use crate::engine::detect::{Category, is_contacts};
use crate::engine::structure::Container;

/// Elements of one list that are said of the person around it. Against: a list of people under such a name.
const GIVEN_MAX: u32 = 4;
/// Identifiers of one row. Against: a row that never ends.
const ROW_ITEMS_MAX: usize = 32;

/// An element of an array that ended.
pub(super) struct Element<'i> {
    pub(super) items: &'i [Item],
    pub(super) start: u64,
    pub(super) end: u64,
    /// Of an object, its names; 0 of a value.
    pub(super) keyset: u64,
    pub(super) has_name: bool,
    /// Whether it is an object or a value, and nothing of it was settled before.
    pub(super) is_whole: bool,
}

impl Element<'_> {
    fn member(&self) -> Member {
        Member {
            name: 0,
            start: self.start,
            end: self.end,
            key_is_role: false,
            keyset: self.keyset,
            items: self.items.to_vec(),
            has_name: self.has_name,
        }
    }
}

impl Assembler {
    /// What becomes of the elements of a container that begins.
    pub(super) fn gather_of(&self, container: Container) -> Gather {
        let Some(parent) = self.frames.last().filter(|_| container == Container::Array) else {
            return Gather::Boxes;
        };
        let named = || self.fields.get(&parent.field).map(|field| field.key.name());
        match parent.container {
            Container::Array => Gather::Row,
            Container::Object if parent.shape != Shape::Map && named().is_some_and(is_contacts) => Gather::Contacts,
            Container::Object | Container::Row | Container::Element | Container::Flow => Gather::Boxes,
        }
    }

    /// An element that had `items` ended inside an array. Answers whether they belong to more than it.
    pub(super) fn gather_element(&mut self, child: &Frame, items: &[Item]) -> bool {
        if child.gather == Gather::Pair {
            return self.gather_pair(child, items);
        }
        let Some(gather) = self.around(child, items) else {
            return false;
        };
        let is_box = child.members == 1 && carries(child, &self.fields);
        let strong = items.iter().filter(|item| item.category != Category::Name).count();
        match gather {
            Gather::Boxes | Gather::Row if is_box => self.gather_row(child.start, items),
            Gather::Boxes | Gather::Row | Gather::Pair => self.return_to_holder(items, child.has_name),
            // What has a name beside an address is someone, not a way to reach the one around it.
            Gather::Contacts => {
                let is_contact = strong == 0 || strong == 1 && (items.len() == 1 || self.is_of_holder(items));
                is_contact && self.give(items, child.has_name)
            }
        }
    }

    /// Whether someone is named in `items`, and as in the object around the array under way.
    fn is_of_holder(&self, items: &[Item]) -> bool {
        let [.., holder, _] = self.frames.as_slice() else {
            return false;
        };
        agrees(holder, items) == Some(true)
    }

    /// Keeps what the first element of a list in someone's object showed until there is a second, or the list ends. Answers whether it is
    /// kept.
    pub(super) fn keep_element(&mut self, element: &Element<'_>) -> bool {
        let [around @ .., holder, array] = self.frames.as_mut_slice() else {
            return false;
        };
        let items = element.items;
        if items.is_empty() || array.container != Container::Array || array.listed.is_some() {
            return false;
        }
        let may_join = element.is_whole
            && matches!(array.gather, Gather::Boxes | Gather::Contacts)
            && array.items.is_empty()
            && is_someones(around, holder);
        if may_join && array.first.is_none() {
            array.first = Some(Box::new(element.member()));
            return true;
        }
        array.listed = Some(0);
        if let Some(first) = array.first.take() {
            self.settle(first.start, first.end, &first.items, first.has_name);
        }
        false
    }

    /// A list of one element ended: what that showed is a member of the object around it, unless it may be somebody else's.
    pub(super) fn join_list(&mut self, mut list: Frame, end: u64) {
        let Some(first) = list.first.take() else { return };
        let is_value = first.keyset == 0;
        let may_join = |holder: &&mut Frame| {
            is_struct(holder)
                && match agrees(holder, &first.items) {
                    Some(is_same) => is_same,
                    // What is said in lists of values is said of one; what stands beside it in an object of its own may be anybody.
                    None => strong_of(told_in(holder)) == if is_value { holder.given } else { 0 },
                }
        };
        let Some(holder) = self.frames.last_mut().filter(may_join) else {
            return self.settle(first.start, first.end, &first.items, first.has_name);
        };
        holder.keyset = holder.keyset.wrapping_add(first.keyset);
        holder.given += strong_of(first.items.iter());
        list.keyset = first.keyset;
        list.members = u32::from(!is_value);
        list.has_name |= first.has_name;
        list.items = first.items;
        if is_value {
            // Two lists are two objects: `{"to":["a@..."],"cc":["b@..."]}` are two people.
            list.items.iter_mut().for_each(|item| item.object = list.object);
        }
        self.join_member(list, end);
    }

    /// A value that had `items` and began at `start` ended inside an array. Answers whether they belong to more than it.
    pub(super) fn gather_value(&mut self, start: u64, items: &[Item]) -> bool {
        let array = self.frames.last().filter(|frame| frame.container == Container::Array);
        let Some(gather) = array.filter(|_| !items.is_empty()).map(|array| array.gather) else {
            return false;
        };
        // Names that somebody is given stand in a list: `"given":["Kim","Lee"]`.
        let is_name = items.iter().all(|item| item.category == Category::Name);
        // The elements are the parts of one value, the last of which this is.
        let is_last = items.first().is_some_and(|item| item.place.span.start < start);
        match gather {
            Gather::Boxes | Gather::Pair => (is_last || is_name) && self.give(items, false),
            Gather::Row => self.gather_row(start, items),
            Gather::Contacts => (is_last || items.len() == 1) && self.give(items, false),
        }
    }

    /// What the array around an object that ended does with it.
    fn around(&self, child: &Frame, items: &[Item]) -> Option<Gather> {
        let is_whole = child.container == Container::Object && child.pieces.is_none() && !items.is_empty();
        let array = self.frames.last().filter(|frame| frame.container == Container::Array);
        array.filter(|_| is_whole).map(|array| array.gather)
    }

    /// A name and its value are a member of the object around their array; where there is none, the array is that.
    fn gather_pair(&mut self, pair: &Frame, items: &[Item]) -> bool {
        let [.., holder, array] = self.frames.as_mut_slice() else {
            return false;
        };
        let is_struct = holder.container == Container::Object && holder.shape != Shape::Map;
        // What has more is someone: `{"name":"Kim","value":"010..."}`.
        if array.container != Container::Array || pair.pieces.is_some() || items.len() != 1 {
            return false;
        }
        if !is_struct || holder.items.len() >= ROW_ITEMS_MAX {
            return self.gather_row(pair.start, items);
        }
        holder.has_name |= pair.has_name;
        let object = holder.object;
        holder
            .items
            .extend(items.iter().map(|item| Item { object, ..item.clone() }));
        true
    }

    /// They belong to the row that the array is.
    fn gather_row(&mut self, start: u64, items: &[Item]) -> bool {
        let Some(row) = self.frames.last_mut() else {
            return false;
        };
        if row.items.len() >= ROW_ITEMS_MAX {
            let (from, before) = (row.start, std::mem::take(&mut row.items));
            row.start = start;
            row.items.extend_from_slice(items);
            self.settle(from, start, &before, false);
            return true;
        }
        if row.items.is_empty() && row.pieces.is_none() {
            row.start = start;
        }
        row.items.extend_from_slice(items);
        true
    }

    /// All that identifies in the first of a list may stand in the object around it too: who ordered is who receives.
    fn return_to_holder(&mut self, items: &[Item], has_name: bool) -> bool {
        let [.., holder, array] = self.frames.as_mut_slice() else {
            return false;
        };
        let known = |item: &Item| holder.items.iter().find(|known| known.place.value == item.place.value);
        let mut strong = items.iter().filter(|item| item.category.is_strong());
        let (first, all) = (strong.clone().find_map(known), strong.all(|item| known(item).is_some()));
        let Some(role) = first.map(|known| known.role).filter(|_| all && array.given == 0) else {
            return false;
        };
        array.given += 1;
        holder.has_name |= has_name;
        let items = items.iter().map(|item| Item { role, ..item.clone() });
        holder.items.extend(items);
        true
    }

    /// They belong to the object that the array is a member of, if that is one of many or has said of whom it is.
    fn give(&mut self, items: &[Item], has_name: bool) -> bool {
        let [around @ .., holder, array] = self.frames.as_mut_slice() else {
            return false;
        };
        if array.given >= GIVEN_MAX || !(is_one_of_many(around) || is_someone(holder)) {
            return false;
        }
        array.given += 1;
        let field = u64::from(array.given);
        holder.has_name |= has_name;
        holder.items.extend(items.iter().map(|item| Item {
            object: holder.object,
            field: item.field.wrapping_add(field),
            ..item.clone()
        }));
        true
    }
}

fn is_one_of_many(around: &[Frame]) -> bool {
    let mut around = around.iter();
    around.any(|frame| frame.container == Container::Array || frame.shape == Shape::Map)
}

/// Whether something identifies whoever an object is about.
fn is_someone(holder: &Frame) -> bool {
    holder.has_name || !holder.items.is_empty() || holder.pieces.is_some()
}

fn is_struct(holder: &Frame) -> bool {
    holder.container == Container::Object && holder.shape != Shape::Map && holder.pieces.is_none()
}

/// Whether an object is about someone, and what its lists show may be of that one.
fn is_someones(around: &[Frame], holder: &Frame) -> bool {
    is_struct(holder) && (is_one_of_many(around) || is_someone(holder) || holder.first.is_some())
}

/// Whether `items` name someone as `holder` does; `None` where either names nobody.
fn agrees(holder: &Frame, items: &[Item]) -> Option<bool> {
    let is_name = |item: &&Item| item.category == Category::Name;
    let mut known = told_in(holder).filter(is_name).peekable();
    let mut names = items.iter().filter(is_name).peekable();
    if known.peek().is_none() || names.peek().is_none() {
        return None;
    }
    let known: SmallVec<[u64; 4]> = known.map(|name| name.place.value).collect();
    Some(names.any(|name| known.contains(&name.place.value)))
}

/// What an object has told so far, the member that waits for another included.
fn told_in(holder: &Frame) -> impl Iterator<Item = &Item> {
    let first = holder.first.iter().flat_map(|first| &first.items);
    holder.items.iter().chain(first)
}

fn strong_of<'i>(items: impl Iterator<Item = &'i Item>) -> u32 {
    items.filter(|item| item.category.is_strong()).count() as u32
}
