"""The verdict: what went in beside what came out."""

from collections import Counter, defaultdict


def few(items):
    items = sorted(items)
    return f"{len(items)} ({', '.join(map(str, items[:5]))}{', ...' * (len(items) > 5)})"


class Expected:
    """How often each row may be there: at least and at most."""

    def __init__(self, case, may_lose, results_may_be_lost):
        self.numbers, self.unusable = defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0])
        self.topics = defaultdict(set)
        for publish in case.publishes:
            certain = publish.acknowledged and not (case.reached(publish) == 0 and may_lose)
            for rows, of in ((publish.numbers, self.numbers), (publish.unusable, self.unusable)):
                for row in rows:
                    of[row][0] += certain and not (of is self.numbers and results_may_be_lost)
                    of[row][1] += publish.at_most
            for raw in publish.unusable:
                self.topics[raw].add(publish.topic)

    @staticmethod
    def _short(counts, expected):
        return {row: least - counts[row] for row, (least, _) in expected.items() if counts[row] < least}

    def missing(self, counts):
        return self._short(counts, self.numbers)

    def missing_dead(self, counts):
        return self._short(counts, self.unusable)

    @staticmethod
    def beyond(counts, expected):
        return {row: count - expected[row][1] for row, count in counts.items() if count > expected.get(row, (0, 0))[1]}


def distinct(records, key):
    """Counts of what stands under different `row` numbers, and the numbers that name two different things."""
    named = defaultdict(set)
    for record in records:
        named[record.row].add(key(record))
    counts = Counter(value for values in named.values() for value in values)
    return counts, [row for row, values in named.items() if len(values) > 1]


def counted(case, records):
    """Counts of results: of lines where each stands once, of `row` numbers where one may come again."""
    if case.sink != "mqtt":
        return Counter(map(result_key, records))
    return distinct(records, result_key)[0]


def result_key(record):
    return record.n


def dead_key(record):
    return record.raw


def numbers_hold(case):
    """Whether a number is of one dead letter. Beside a file, rows at QoS 0 that are lost shift those behind them."""
    return case.sink == "mqtt" or all(case.reached(publish) for publish in case.publishes)


def judge_results(case, expected, output):
    once = case.sink != "mqtt"
    records = output.records()
    counts, torn = counted(case, records), distinct(records, result_key)[1]
    problems = []
    if missing := expected.missing(counts):
        problems.append(f"missing {sum(missing.values())} rows, of n {few(missing)}")
    beyond = expected.beyond(counts, expected.numbers)
    if beyond:
        word = "twice" if once else "under several row numbers"
        problems.append(f"{word} {sum(beyond.values())} rows, of n {few(beyond)}")
    if torn:
        problems.append(f"row numbers that name two rows: {few(torn)}")
    if once and len({record.row for record in records}) < len(records):
        problems.append("row numbers stand twice in the file")
    if output.rest():
        problems.append(f"half a line in the results: {output.rest()[:60]!r}")
    return problems


def judge_dead_letters(case, expected, output, results, simple):
    # One may come again, and a number is that of a row.
    records = output.records()
    counts, torn = Counter(map(dead_key, records)), distinct(records, dead_key)[1]
    problems = []
    if missing := expected.missing_dead(counts):
        problems.append(f"dead letters missing {sum(missing.values())}: {few(missing)}")
    if strange := [raw for raw in counts if raw not in expected.unusable]:
        problems.append(f"dead letters of rows that can be used: {few(strange)}")
    if torn and numbers_hold(case):
        problems.append(f"row numbers that name two dead letters: {few(torn)}")
    known = [record for record in records if record.raw in expected.topics]
    if wrong := [record for record in known if record.topic not in expected.topics[record.raw]]:
        problems.append(f"dead letters under a wrong topic: {wrong[:3]}")
    both = {record.row for record in records} & {record.row for record in results.records()}
    if both and numbers_hold(case):
        problems.append(f"row numbers of results and of dead letters: {few(both)}")
    if output.rest():
        problems.append(f"half a line in the dead letters: {output.rest()[:60]!r}")
    if simple:
        places = {}
        for position, publish in enumerate(case.publishes, 1):
            for raw in publish.unusable:
                places.setdefault(raw, set()).add(position)
        if wrong := [record for record in records if record.position not in places.get(record.raw, ())]:
            problems.append(f"dead letters with a wrong position: {wrong[:3]}")
        if beyond := expected.beyond(counts, expected.unusable):
            problems.append(f"dead letters twice although nothing failed: {few(beyond)}")
    return problems


def judge_witness(case, witness):
    """How many publishes a plain subscriber beside the run lacks: the broker itself has lost them."""
    counts = Counter(witness.lines())
    sure = Counter(publish.payload for publish in case.publishes if publish.acknowledged and publish.qos)
    return sum((sure - counts).values())


def judge_order(case, output):
    """One connection keeps the order of its rows."""
    numbers = [record.n for record in output.records() if record.n >= 1000]
    of_topic = {n: publish.topic for publish in case.publishes for n in publish.numbers}
    lanes = defaultdict(list)
    for n in numbers:
        lanes[of_topic.get(n) if isinstance(case.connections, list) else ""].append(n)
    wrong = [n for lane in lanes.values() for before, n in zip(lane, lane[1:]) if n <= before]
    return [f"out of order: n {few(wrong)}"] if wrong else []


def judge_report(report):
    if report is None:
        return ["no report"]
    late = sum(value for key, value in report.items() if "late" in key and isinstance(value, int))
    came = report["rows_out"] + sum(report["rows_dropped"].values()) + report["dead_letters"] + late
    if report["rows_in"] != came:
        return [f"the report's accounts: {report['rows_in']} rows in, {came} rows out, dropped, dead or late"]
    return []
