"""Plays a case: brokers, links, station, receivers, the run and the faults."""

import threading
import time
from collections import Counter

from judge import (
    Expected,
    counted,
    dead_key,
    judge_dead_letters,
    judge_order,
    judge_report,
    judge_results,
    judge_witness,
)
from mill import Mill
from mosquitto import Mosquitto, wait_until
from output import FileOutput, ReceivedOutput, csv_result, dead_letter, json_result
from proxy import Proxy
from receiver import Receiver
from station import Station

# How long nothing may move once the faults have ended.
STALL_TIMEOUT = 30
# What may come late of what need not come at all.
SETTLE_INTERVAL = 2.0
# How long a start may take while its brokers come and go.
READY_TIMEOUT = 60
# How long a plain subscriber may take for what the run has.
WITNESS_TIMEOUT = 15
# What has stood so much longer in a file than progress is committed has been counted, on a busy machine too.
COUNTED_AFTER = 1.5


class Play:
    def __init__(self, case, program, directory):
        self.case, self.directory = case, directory
        self.problems = []
        self.void = ""
        self.samples = []
        self.kept = []
        self.receivers = []
        self.threads = []
        self.good_order = True
        targets = ["source"] + ["sink"] * (case.sink == "mqtt") + ["dead"] * (case.dead == "mqtt")
        self.brokers = {target: Mosquitto(directory / target, case.window) for target in targets}
        self.links = {target: Proxy(broker.port) for target, broker in self.brokers.items()}
        dataflow = case.dataflow({target: link.port for target, link in self.links.items()})
        (directory / "case.toml").write_text(dataflow)
        self.mill = Mill(program, directory, "case.toml")
        if case.deserted:
            self.mill.bound_drain()
        self.results = self._results()
        self.dead = self._dead()
        rest = len(case.publishes) * 2 // 3 if case.hasty else None
        port = self.brokers["source"].port
        self.witness = Receiver(port, "rows/#")
        self.receivers.append(self.witness)
        self.station = Station(port, case.publishes, case.seconds, case.station_window, rest)

    def _received(self, target, topic, parse):
        receiver = Receiver(self.brokers[target].port, topic)
        self.receivers.append(receiver)
        return ReceivedOutput(receiver, parse)

    def _results(self):
        if self.case.sink == "mqtt":
            return self._received("sink", "results", json_result)
        path = self.directory / f"out.{self.case.sink}"
        is_csv = self.case.sink == "csv"
        return FileOutput(path, csv_result if is_csv else json_result, b"message,row,n" if is_csv else None)

    def _dead(self):
        if self.case.dead == "mqtt":
            return self._received("dead", "dead", dead_letter)
        return FileOutput(self.directory / "dead.ndjson", dead_letter)

    def problem(self, text):
        self.problems.append(text)

    # The run.
    def start(self, shape):
        """Starts the run; where it ended in good order, or a line has stood long enough, the file keeps it."""
        self.before = (len(self.results.lines()), len(self.dead.lines()))
        self.started = time.monotonic()
        self.mill.start(*shape)

    def subscribed(self):
        """Whether all of the run's sessions are there beside the witness, as the broker says."""
        if self.mill.ended():
            raise RuntimeError(f"the run ended at its start: {self.mill.last_words()}")
        return self.brokers["source"].subscriptions("rows/") > self.case.connection_count

    def ready(self):
        """Whether it takes signals: it has said that it has its subscription."""
        self.look_after()
        return self.said_ready()

    def said_ready(self):
        return "subscribed to" in self.mill.said()

    def await_readiness(self):
        wait_until("the run is ready", self.ready, READY_TIMEOUT)

    def restart(self):
        time.sleep(self.case.random.uniform(0, 0.3))
        self.keep()
        self.start(self.case.shape)

    def keep(self):
        """Notes what must stay in the file."""
        if not isinstance(self.results, FileOutput):
            return
        lines = self.results.lines()
        if self.good_order:
            self.kept = lines
            return
        # Progress is not committed while dead letters are on their way, or a process stands still.
        waits = sum(fault.seconds for fault in self.case.faults if fault.kind == "freeze" or "dead" in fault.target)
        counted = self.died - COUNTED_AFTER - self.case.commit / 1000 - waits
        sure = [lines for at, start, lines in self.samples if start == self.mill.starts and at < counted]
        if sure:
            self.kept = max(self.kept, lines[: sure[-1]], key=len)

    def sample(self):
        """How many lines the file has, while a run is there to count them."""
        while not self.over.is_set():
            start = self.mill.starts
            if not self.mill.ended() and self.said_ready():
                self.samples.append((time.monotonic(), start, len(self.results.lines())))
            self.over.wait(0.2)

    def look_after(self):
        """A run that has ended by itself is told, and started again."""
        if not self.mill.ended():
            return
        self.problem(f"the run ended by itself with {self.mill.process.returncode}: {self.mill.last_words()}")
        self.died, self.good_order = time.monotonic(), False
        self.restart()

    # The faults.
    def strike(self, fault):
        getattr(self, "_" + fault.kind.replace(" ", "_"))(fault)

    def _beside(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self.threads.append(thread)

    def _cut(self, fault):
        self.links[fault.target].cut()

    def _reset(self, fault):
        self.links[fault.target].cut(reset=True)

    def _stall(self, fault):
        self._beside(self.links[fault.target].stall, fault.seconds, False)

    def _stall_and_cut(self, fault):
        self._beside(self.links[fault.target].stall, fault.seconds, True)

    def _swallow(self, fault):
        self._beside(self.links[fault.target].swallow, fault.choice, fault.seconds)

    def _away(self, fault):
        self._beside(self.links[fault.target].leave, fault.seconds)

    def _broker(self, fault):
        return fault.target.removesuffix("_broker")

    def _restart(self, fault):
        self._anew(self._broker(fault), Mosquitto.restart)

    def _kill(self, fault):
        if fault.target == "process":
            return self._kill_process()
        # What it has acknowledged it has also saved: nothing moves between the two.
        target = self._broker(fault)
        link = self.links[target]

        def kill(broker):
            link.stalls += 1
            time.sleep(0.3)
            broker.save_and_kill()
            link.cut()
            link.stalls -= 1

        self._anew(target, kill)

    def _anew(self, target, restart):
        """A broker is started anew; its station waits, for it would not know what became of its last publishes."""
        if target != "source":
            return restart(self.brokers[target])
        self.station.pause()
        share = "$share/"
        before = self.brokers["source"].subscriptions(share)
        restart(self.brokers["source"])

        def subscribed_again():
            self.look_after()
            return self.brokers["source"].subscriptions(share) - before >= self.case.connection_count

        if isinstance(self.case.connections, int) and self.case.connections > 1:
            # mosquitto 2.0.11 forgets shared subscriptions over its restart, and takes publishes for nobody.
            wait_until("the run subscribes again", subscribed_again, READY_TIMEOUT)
        self.station.resume()

    def _pause(self, fault):
        self._beside(self.brokers[self._broker(fault)].pause, fault.seconds)

    def _kill_process(self):
        self.died, self.good_order = time.monotonic(), False
        if not self.mill.kill(self.case.random):
            self.problem("after kill -9 of one process the others stay for 20 s")
        self.restart()

    def _kill_early(self, fault):
        self._kill_process()
        for _ in range(self.case.random.randint(1, 4)):
            time.sleep(self.case.random.uniform(0, 0.15))
            self._kill_process()

    def _terminate(self, fault):
        self.await_readiness()
        self.end_in_good_order(self.case.random)
        self.restart()

    def _freeze(self, fault):
        self._beside(self.mill.freeze, self.case.random, fault.seconds)

    def end_in_good_order(self, random=None, codes=(0,)):
        """SIGTERM: the run drains, ends with 0, and its accounts are right. Where it may give up, it ends with 1."""
        in_order, (results, dead) = self.good_order, self.before
        code = self.mill.terminate(random)
        self.died, self.good_order = time.monotonic(), code == 0
        if code is None:
            self.problem("SIGTERM does not end the run within 40 s")
            return
        if code not in codes:
            self.problem(f"after SIGTERM the run ends with {code}: {self.mill.last_words()}")
            return
        if code != 0:
            return
        report = self.mill.report()
        self.problems += judge_report(report)
        if not report or not in_order:
            return
        for count, output, before, word in (
            (report["rows_out"], self.results, results, "rows out"),
            (report["dead_letters"], self.dead, dead, "dead letters"),
        ):
            if isinstance(output, FileOutput) and len(output.lines()) - before != count:
                self.problem(f"the report says {count} {word}, the file has {len(output.lines()) - before} more")

    # What has come.
    def short(self, expected):
        results = counted(self.case, self.results.records())
        dead = Counter(map(dead_key, self.dead.records()))
        return sum(expected.missing(results).values()) + sum(expected.missing_dead(dead).values())

    def wait_for_rows(self, expected):
        """Waits until all that must come has come: whether it has."""
        moved, seen = time.monotonic(), None
        while self.short(expected):
            self.look_after()
            lines = (len(self.results.lines()), len(self.dead.lines()))
            if lines != seen:
                moved, seen = time.monotonic(), lines
            if time.monotonic() - moved > STALL_TIMEOUT:
                return False
            time.sleep(0.1)
        return True

    def has_received_all(self):
        """Whether the run has read all that its broker has sent it."""
        link = self.links["source"]
        return time.monotonic() - link.moved > 0.5 and link.unread() == 0

    def may_lose(self):
        """Whether rows at QoS 0 may be lost before they reach the run, or in a process that is killed."""
        return self.case.deserted or self.case.struck("source", "source_broker", "process")

    def results_may_be_lost(self):
        """Whether results may be lost that a sink publishes at QoS 0."""
        at_most_once = self.case.sink == "mqtt" and self.case.sink_qos == 0
        return at_most_once and (self.case.deserted or self.case.struck("sink", "sink_broker", "process"))

    def run(self):
        case = self.case
        self.over = threading.Event()
        self.start((case.processes, case.workers))
        wait_until("the run subscribes", self.subscribed, READY_TIMEOUT)
        self.await_readiness()
        if isinstance(self.results, FileOutput):
            threading.Thread(target=self.sample, daemon=True).start()
        self.station.start()
        began = time.monotonic()
        for fault in case.faults:
            while time.monotonic() - began < fault.at:
                self.look_after()
                time.sleep(0.01)
            self.look_after()
            self.strike(fault)
        for thread in self.threads:
            thread.join()
        if case.hasty:
            self.hold_results()
        while not self.station.done.wait(0.1):
            self.look_after()
        self.station.settle()
        self.judge()

    def judge(self):
        case = self.case
        expected = Expected(case, self.may_lose(), self.results_may_be_lost())
        if case.hasty:
            self.hurry()
        if not self.wait_for_rows(expected):
            self.problem(f"nothing moves for {STALL_TIMEOUT} s: {self.short(expected)} to come")
            self.learn_more(expected)
        if any(case.reached(publish) == 0 for publish in case.publishes):
            time.sleep(SETTLE_INTERVAL)
        self.await_readiness()
        self.end_in_good_order()
        time.sleep(0.3 if self.receivers else 0)
        self.over.set()
        self.problems += judge_results(case, expected, self.results)
        calm = not case.faults and not case.hasty
        ordered = case.connections == 1 and len(case.publish_qos) == 1
        self.problems += judge_dead_letters(case, expected, self.dead, self.results, calm and ordered)
        if (case.connections == 1 or isinstance(case.connections, list)) and len(case.publish_qos) == 1:
            if isinstance(self.results, FileOutput):
                self.problems += judge_order(case, self.results)
        if isinstance(self.results, FileOutput) and self.results.lines()[: len(self.kept)] != self.kept:
            self.problem(f"of {len(self.kept)} rows that were written and counted not all stand where they stood")
        if calm:
            self.judge_calm()
        self.judge_words()
        deadline = time.monotonic() + WITNESS_TIMEOUT
        while (lost := judge_witness(case, self.witness)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if lost:
            self.void = f"void: the broker itself has lost {lost} publishes"

    def hold_results(self):
        """The last rows come while the sink's link stands still, so that they wait in the run."""
        while not self.station.held.wait(0.1):
            self.look_after()
        self.await_readiness()
        if "sink" in self.links:
            self.links["sink"].stalls += 1
        self.station.publish_rest()

    def release_results(self):
        """Lets results through again: soon, or when the run has ended."""
        if "sink" in self.links:
            time.sleep(0.3)
            if self.case.deserted:
                while not self.mill.ended():
                    time.sleep(0.1)
                self.links["sink"].cut()
            self.links["sink"].stalls -= 1

    def hurry(self):
        """The run is told to end while rows are under way: what it has received, it serves."""
        wait_until("the run has received all", self.has_received_all, 60)
        self._beside(self.release_results)
        self.end_in_good_order(self.case.random, (0, 1) if self.case.deserted else (0,))
        for thread in self.threads:
            thread.join()
        self.restart()

    def judge_calm(self):
        report, rows = self.mill.report(), sum(publish.rows for publish in self.case.publishes)
        if report and report["rows_in"] != rows:
            self.problem(f"nothing failed, and of {rows} rows {report['rows_in']} are rows in")
        if self.case.sink == "mqtt" and len(self.results.lines()) != sum(len(p.numbers) for p in self.case.publishes):
            self.problem(f"nothing failed, and {len(self.results.lines())} results were published")

    def judge_words(self):
        for start in range(1, self.mill.starts + 1):
            if "panicked at" in self.mill.said_in(start).read_text(errors="replace"):
                self.problem(f"a panic in {self.mill.said_in(start).name}")

    def learn_more(self, expected):
        """What has not come comes after another start, or never."""
        short = self.short(expected)
        self.end_in_good_order()
        self.keep()
        self.start((1, 1))
        self.wait_for_rows(expected)
        left = self.short(expected)
        self.problem(f"{short - left} of them came after another start, {left} never")

    def end(self):
        self.mill.end()
        self.station.end()
        for receiver in self.receivers:
            receiver.end()
        for broker in self.brokers.values():
            broker.end()

    def summary(self):
        rows, dead = len(self.results.lines()), len(self.dead.lines())
        starts = self.mill.starts
        void = f" | {self.void}" * bool(self.void)
        return f"{sum(p.rows for p in self.case.publishes)} rows in, {rows} out, {dead} dead, {starts} starts{void}"
