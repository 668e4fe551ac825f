# SPDX-License-Identifier: MIT
"""What was measured: kept as rows, printed as tables, written as JSON."""
import dataclasses
import json
import statistics

from . import fetch_cases


@dataclasses.dataclass
class Series:
    """One figure of one contender, a value a round."""
    case: str
    metric: str
    contender: str
    unit: str
    better: str  # "more" or "less"
    values: list

    @property
    def median(self):
        return statistics.median(self.values)


class Report:
    def __init__(self):
        self.series = {}
        self.failures = []

    def record(self, case, metric, contender, value, unit, better="more"):
        key = (case, metric, contender)
        if key not in self.series:
            self.series[key] = Series(case, metric, contender, unit, better, [])
        self.series[key].values.append(value)

    def ratio(self, series):
        """How many times better gatherd is than this contender: the median of the rounds' ratios."""
        own = self.series.get((series.case, series.metric, "gatherd"))
        if own is None or series.contender == "gatherd":
            return None
        pairs = [(a, b) if series.better == "more" else (b, a) for a, b in zip(own.values, series.values)]
        ratios = [a / b for a, b in pairs if b > 0]
        return statistics.median(ratios) if ratios else None

    # -- printed --------------------------------------------------------------------------------
    def print(self, facts, versions):
        rounds = max((len(s.values) for s in self.series.values()), default=0)
        print(f"\n{facts['cores']} cores, {facts['cpu']}, {facts['memory']}, Linux {facts['kernel']}, "
              f"{facts['filesystem']} with {facts['fsync_ms']} ms for a durable write, load {facts['load_at_start']:.1f} "
              f"at the start")
        print(", ".join(f"{name} {version}" for name, version in versions.items()))
        print(f"{rounds} rounds; medians (least–most); “gatherd is” = how many times better gatherd did than that line,"
              " the median over the rounds")
        self._print_fetch()
        self._print_service()
        for failure in self.failures:
            print("FAILED", *failure, sep="  ")

    def _print_fetch(self):
        rows = [("case", "contender", "URLs/s", "least–most", "gatherd is", "CPU µs/URL", "MiB")]
        for (case, metric, name), s in self.series.items():
            if case in fetch_cases.CASES and metric == "rate":
                rows.append((case, name, number(s.median), span(s), times(self.ratio(s)),
                             number(self.series[case, "cpu", name].median),
                             number(self.series[case, "memory", name].median)))
        print_table(sorted_by_case(rows))

    def _print_service(self):
        rows = [("case", "figure", "of", "median", "unit", "least–most", "gatherd is")]
        for (case, metric, name), s in self.series.items():
            if case not in fetch_cases.CASES:
                rows.append((case, metric, name, number(s.median), s.unit, span(s), times(self.ratio(s))))
        print_table(sorted_by_case(rows))

    # -- written --------------------------------------------------------------------------------
    def write(self, path, facts, versions, settings):
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"machine": facts, "versions": versions, "settings": settings, "failures": self.failures,
                       "series": [dict(dataclasses.asdict(s), median=s.median, gatherd_is=self.ratio(s))
                                  for s in self.series.values()]}, out, indent=1, ensure_ascii=False)
            out.write("\n")


def sorted_by_case(rows):
    """The contenders of one case together, gatherd first; otherwise as they came."""
    order = {}
    for row in rows[1:]:
        order.setdefault(row[0], len(order))
    return rows[:1] + sorted(rows[1:], key=lambda row: (order[row[0]], row[1] != "gatherd" and row[0] in
                                                        fetch_cases.CASES))


def number(value):
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def span(series):
    return f"{number(min(series.values))}–{number(max(series.values))}"


def times(ratio):
    return "" if ratio is None else f"{ratio:.2f} ×"


def print_table(rows):
    if len(rows) < 2:
        return
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    right = [any(c.isdigit() for c in str(rows[1][i])) and i > 1 for i in range(len(rows[0]))]
    print()
    for at, row in enumerate(rows):
        print("  ".join(str(cell).rjust(width) if to_right else str(cell).ljust(width)
                        for cell, width, to_right in zip(row, widths, right)).rstrip())
        if at == 0:
            print("  ".join("-" * width for width in widths))
