#!/usr/bin/env python3
"""A worker for an agent of kind remote, with nothing but the standard library.

TURNKEEPER_URL and TURNKEEPER_API_KEY (a key of role worker) say where and as whom; --concurrency how many runs at once.
Replace answer(): everything else is the protocol, and may stay as it is.
"""

import argparse
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request

URL = os.environ["TURNKEEPER_URL"].rstrip("/")
KEY = os.environ["TURNKEEPER_API_KEY"]


class Stop(Exception):
    """The run is not ours any more: it was cancelled, ended, or given to another worker."""


def answer(run):
    """Answers one run. What it remembers of the conversation is in the snapshot."""
    memory = json.loads(run.snapshot() or "[]")
    said = run.text()
    run.say("%s heard: " % run.worker)
    for word in said.split():
        if run.stopped.is_set():
            raise Stop()
        run.say(word.upper() + " ")
    memory.append(said)
    run.say("(message %d here)" % len(memory))
    run.keep(json.dumps(memory))


def call(method, path, token, body=None):
    """One request. A server that is away or busy is asked again; a refusal is raised."""
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(8):
        request = urllib.request.Request(URL + path, data, method=method)
        request.add_header("Authorization", "Bearer " + token)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=40) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            if refused.code < 500:
                raise
        except OSError:
            pass
        time.sleep(min(5, 0.2 * 2**attempt))
    raise Stop()


class Run:
    def __init__(self, given, worker):
        self.given = given
        self.worker = worker
        self.token = given["token"]
        self.seq = 0
        self.stopped = threading.Event()
        self.over = threading.Event()

    def text(self):
        messages = self.given["input"].get("messages", [])
        return messages[-1]["content"] if messages else ""

    def send(self, event):
        """Events are numbered from 1, so one that is sent again is not taken twice."""
        self.seq += 1
        event["seq"] = self.seq
        try:
            call("POST", "/worker/response", self.token, {"events": [event]})
        except urllib.error.HTTPError as refused:
            raise Stop() from refused

    def say(self, text):
        self.send({"type": "text", "text": text})

    def snapshot(self):
        try:
            return call("GET", "/worker/transcript/snapshot", self.token)["snapshot"]
        except urllib.error.HTTPError as refused:
            if refused.code == 404:
                return None
            raise Stop() from refused

    def keep(self, state):
        call("POST", "/worker/transcript/snapshot", self.token, {"run_id": self.given["run_id"], "snapshot": state})

    def beat(self):
        """Shows that we live, three times a deadline; the token is renewed, and a cancel heard."""
        while not self.over.wait(self.given["deadline_ms"] / 3000):
            try:
                self.look()
            except (urllib.error.HTTPError, Stop):
                self.stopped.set()
                return

    def look(self):
        told = call("POST", "/worker/heartbeat", self.token, {})
        self.token = told["token"]
        if told["cancel"]:
            self.stopped.set()

    def work(self):
        threading.Thread(target=self.beat, daemon=True).start()
        try:
            answer(self)
            self.send({"type": "result", "status": "completed"})
        except Stop:
            self.finish({"type": "result", "status": "failed", "error": {"message": "stopped"}})
        except Exception as failed:  # whatever the answer tripped over is the run's result
            self.finish({"type": "result", "status": "failed", "error": {"message": str(failed)}})
        finally:
            self.over.set()

    def finish(self, result):
        try:
            self.send(result)
        except Stop:
            pass


def stream(worker, concurrency):
    """Runs are pushed; news means that a run should ask at once. Connects again when it breaks."""
    runs = {}
    while True:
        request = urllib.request.Request("%s/worker/stream?worker=%s&concurrency=%d" % (URL, worker, concurrency))
        request.add_header("Authorization", "Bearer " + KEY)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                event = None
                for line in response:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data":
                        data = json.loads(value)
                        if event == "ready":
                            print("connected as", data["worker"], flush=True)
                        elif event == "run":
                            run = runs[data["run_id"]] = Run(data, worker)
                            threading.Thread(target=run.work, daemon=True).start()
                        elif event == "news" and data["run_id"] in runs:
                            threading.Thread(target=hear, args=(runs[data["run_id"]],), daemon=True).start()
                        elif event == "replaced":
                            sys.exit("another worker is called %s, or our key was revoked" % worker)
                runs = {id: run for id, run in runs.items() if not run.over.is_set()}
        except urllib.error.HTTPError as refused:
            if refused.code < 500:
                sys.exit("refused: %s" % refused.read().decode())
        except OSError:
            pass
        time.sleep(0.5)


def hear(run):
    try:
        run.look()
    except (urllib.error.HTTPError, Stop):
        run.stopped.set()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--name", default="python-%d" % os.getpid())
    options.add_argument("--concurrency", type=int, default=4)
    given = options.parse_args()
    stream(given.name, given.concurrency)
