"""Runs cases of the Autobahn|Testsuite against one server (Python 2.7, as the suite itself).

usage: python2.7 suite.py PACKAGES URL messages|stream REPORTS CASE... [-CASE...]

PACKAGES is the folder that the suite is installed in. With `messages` the server echoes messages;
with `stream` it carries binary messages to something that echoes a stream of bytes. Then text
goes out as binary, and what comes back, which has no boundaries left, is cut where the messages
ended that went out. `-CASE` leaves one out. Prints a line for each case: its number, what it makes
of the server's behaviour, and what of the way it closed.
"""

import json
import os
import site
import sys
from collections import deque

packages, url, mode, reports = sys.argv[1:5]
site.addsitedir(packages)

# The suite wants this one first.
from autobahntestsuite import choosereactor  # noqa: F401
from autobahntestsuite import fuzzing
from twisted.internet import reactor

TEXT, BINARY = 1, 2


class Boundaries(object):
    """Where the messages end that one connection sent."""

    def __init__(self):
        self.ends = deque()
        self.open = None
        self.kept = []
        self.length = 0

    def sends(self, opcode, length, fin):
        if opcode in (TEXT, BINARY):
            self.open = [0, opcode == BINARY]
        elif opcode != 0 or self.open is None:
            return
        self.open[0] += length
        if fin:
            self.ends.append(tuple(self.open))
            self.open = None

    def receives(self, payload):
        """The messages that are complete now."""
        self.kept.append(payload)
        self.length += len(payload)
        while self.ends and self.length >= self.ends[0][0]:
            length, is_binary = self.ends.popleft()
            joined = b"".join(self.kept)
            self.kept = [joined[length:]]
            self.length -= length
            yield joined[:length], is_binary


Protocol = fuzzing.FuzzingClientProtocol


class StreamProtocol(Protocol):
    def connectionMade(self):
        self.boundaries = Boundaries()
        Protocol.connectionMade(self)

    def sendFrame(self, opcode, payload="", fin=True, rsv=0, mask=None, payload_len=None, **more):
        length = len(payload) if payload_len is None else payload_len
        self.boundaries.sends(opcode, length, fin)
        self.is_text = opcode == TEXT
        Protocol.sendFrame(
            self,
            BINARY if opcode == TEXT else opcode,
            payload,
            fin,
            rsv,
            mask,
            payload_len,
            **more
        )

    def logTxFrame(self, header, *more):
        # What a case counts is what it sent.
        if self.is_text:
            header.opcode = TEXT
        Protocol.logTxFrame(self, header, *more)

    def onMessage(self, payload, is_binary):
        if self.runCase is None or not is_binary:
            return Protocol.onMessage(self, payload, is_binary)
        for message, was_binary in self.boundaries.receives(payload):
            self.runCase.onMessage(message, was_binary)


def main():
    if mode == "stream":
        # The suite makes its connections by this name.
        fuzzing.FuzzingClientProtocol = StreamProtocol
        fuzzing.FuzzingClientFactory.protocol = StreamProtocol
    fuzzing.startClient(
        {
            "options": {"failByDrop": False},
            "outdir": reports,
            "servers": [{"agent": "deskway", "url": url, "protocols": ["binary"]}],
            "cases": [it for it in sys.argv[5:] if not it.startswith("-")],
            "exclude-cases": [it[1:] for it in sys.argv[5:] if it.startswith("-")],
            "exclude-agent-cases": {},
        }
    )
    reactor.run()
    with open(os.path.join(reports, "index.json")) as index:
        cases = json.load(index)["deskway"]
    for number in sorted(cases, key=lambda number: [int(part) for part in number.split(".")]):
        print "case", number, "|", cases[number]["behavior"], "|", cases[number]["behaviorClose"]


main()
