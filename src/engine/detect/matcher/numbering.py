"""Writes numbering.txt: which national numbers each country gives to people, from libphonenumber's metadata.

    pip install phonenumbers==9.0.43 && python3 numbering.py > numbering.txt

Fixed lines, mobiles, VoIP, personal numbers and pagers; no toll-free, premium or shared-cost numbers, which
belong to companies. Each line is `code lengths prefixes`: a number of one of the lengths that begins with one of
the prefixes is in use; `[2-9]` stands for one digit of a set.
"""
import collections
import sre_constants as K
import sre_parse

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

LENGTH_MAX = 15
TYPES = ("fixed_line", "mobile", "voip", "personal_number", "pager")
DIGITS = frozenset("0123456789")


class Nfa:
    """Thompson's construction over digits: eps[state] and step[state] = (set of digits, next)."""

    def __init__(self):
        self.eps, self.step = collections.defaultdict(set), {}
        self.count = 0

    def state(self):
        self.count += 1
        return self.count - 1

    def add(self, tree, start):
        for op, arg in tree:
            start = self.node(op, arg, start)
        return start

    def node(self, op, arg, start):
        if op is K.LITERAL:
            return self.digits({chr(arg)}, start)
        if op is K.IN:
            return self.digits(members(arg), start)
        if op is K.SUBPATTERN:
            return self.add(arg[3], start)
        if op is K.BRANCH:
            end = self.state()
            for branch in arg[1]:
                first = self.state()
                self.eps[start].add(first)
                self.eps[self.add(branch, first)].add(end)
            return end
        if op in (K.MAX_REPEAT, K.MIN_REPEAT):
            low, high, tree = arg
            end = self.state()
            for count in range(min(high, LENGTH_MAX) + 1):
                if count >= low:
                    self.eps[start].add(end)
                if count < min(high, LENGTH_MAX):
                    start = self.add(tree, start)
            return end
        raise ValueError(op)

    def digits(self, digits, start):
        middle, end = self.state(), self.state()
        self.eps[start].add(middle)
        self.step[middle] = (frozenset(digits) & DIGITS, end)
        return end

    def closure(self, states):
        todo, seen = list(states), set(states)
        while todo:
            for other in self.eps[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return frozenset(state for state in seen if state in self.step or not self.eps[state])


def members(items):
    digits = set()
    for op, arg in items:
        if op is K.LITERAL:
            digits.add(chr(arg))
        elif op is K.RANGE:
            digits |= {chr(code) for code in range(arg[0], arg[1] + 1)}
        elif op is K.CATEGORY and arg is K.CATEGORY_DIGIT:
            digits |= DIGITS
        else:
            raise ValueError(op)
    return digits


def build(regions):
    """A minimal acyclic automaton: node = (lengths accepted from here, children) with equal nodes shared."""
    nfa = Nfa()
    start, end = nfa.state(), nfa.state()
    nfa.step[end] = (frozenset(), end)
    lengths_of = {}
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(region[1], region[0])
        for name in TYPES:
            desc = getattr(metadata, name)
            if desc is None or desc.national_number_pattern in (None, "NA"):
                continue
            first = nfa.state()
            nfa.eps[start].add(first)
            last = nfa.add(sre_parse.parse(desc.national_number_pattern), first)
            nfa.step[last] = (frozenset(), last)
            lengths_of[last] = frozenset(desc.possible_length)
    memo, unique = {}, {}

    def node(states, depth):
        key = (states, depth)
        if key not in memo:
            accepts = any(depth in lengths_of.get(state, ()) for state in states)
            children = []
            for digit in sorted(DIGITS):
                after = {nfa.step[s][1] for s in states if s in nfa.step and digit in nfa.step[s][0]}
                child = node(nfa.closure(after), depth + 1) if after and depth < LENGTH_MAX else None
                children.append(child)
            value = (accepts, tuple(children))
            if not accepts and not any(children):
                memo[key] = None
            else:
                memo[key] = unique.setdefault((accepts, tuple(map(id, children))), value)
        return memo[key]

    return node(nfa.closure({start}), 0)


def free(node, depth, memo={}):
    """The lengths that `node` accepts whatever the digits, or None where digits still matter."""
    key = (id(node), depth)
    if key in memo:
        return memo[key][0]
    accepts, children = node
    lengths = {depth} if accepts else set()
    if any(children):
        below = [free(child, depth + 1) if child else None for child in children]
        lengths = None if None in below or len(set(below)) > 1 else lengths | below[0]
    result = None if lengths is None else frozenset(lengths)
    memo[key] = (result, node)
    return result


def leaves(node, depth=0):
    """Pairs (prefix, lengths); a prefix is a tuple of digit sets."""
    lengths = free(node, depth)
    if lengths is not None:
        yield (), lengths
        return
    accepts, children = node
    if accepts:
        yield (), frozenset({depth})
    digits_of = {}
    for digit, child in enumerate(children):
        if child:
            digits_of.setdefault(id(child), (child, []))[1].append(str(digit))
    for child, digits in digits_of.values():
        for prefix, lengths in leaves(child, depth + 1):
            yield ("".join(digits),) + prefix, lengths


def spelled(digits):
    if len(digits) == 1:
        return digits
    if digits == "0123456789":
        return "."
    runs, first = [], 0
    for index in range(1, len(digits) + 1):
        if index == len(digits) or int(digits[index]) != int(digits[index - 1]) + 1:
            run = digits[first:index]
            runs.append(run if len(run) < 3 else run[0] + "-" + run[-1])
            first = index
    return "[" + "".join(runs) + "]"

def main():
    print("# National numbers of people by country code; written by numbering.py from libphonenumber's metadata,")
    print(f"# as packaged in phonenumbers {phonenumbers.__version__} (Apache-2.0). Do not edit.")
    for code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items(), key=lambda pair: str(pair[0])):
        if regions[0] == "001":
            continue
        root = build([(region, code) for region in regions])
        if root is None:
            continue
        by_lengths = collections.defaultdict(list)
        for prefix, lengths in leaves(root):
            by_lengths[tuple(sorted(lengths))].append("".join(map(spelled, prefix)))
        for lengths, prefixes in sorted(by_lengths.items()):
            print(code, ",".join(map(str, lengths)), " ".join(p or "." for p in prefixes))


if __name__ == "__main__":
    main()
