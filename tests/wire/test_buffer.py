"""The receive buffer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailhub.wire.buffer import ReceiveBuffer

PIECES = st.lists(st.sampled_from([b"", b"a", b"\n", b"\r", b"\r\n", b"bc\r\nde", b"x" * 9]), max_size=20)


class LineTests(SynchronousTestCase):
    @given(PIECES)
    def test_lines_are_those_of_the_whole(self, pieces: list[bytes]) -> None:
        """Lines are the same however the octets were cut, and their CR goes with the LF."""
        buffer = ReceiveBuffer()
        lines = []
        for piece in pieces:
            buffer.feed(piece)
            while (line := buffer.take_line()) is not None:
                lines.append(line)
        *whole, rest = b"".join(pieces).split(b"\n")
        self.assertEqual(lines, [line.removesuffix(b"\r") for line in whole])
        self.assertEqual(len(buffer), len(rest))
        self.assertEqual(buffer.clear(), len(rest))
        self.assertEqual(len(buffer), 0)

    @given(PIECES, st.lists(st.integers(0, 7), max_size=30))
    def test_takes_are_those_of_the_whole(self, pieces: list[bytes], sizes: list[int]) -> None:
        """Octets come out in order, also when lines and counts alternate while more arrives."""
        buffer = ReceiveBuffer()
        taken = b""
        todo = list(pieces)
        for size in sizes:
            if todo:
                buffer.feed(todo.pop(0))
            if size == 7:
                line = buffer.take_line()
                if line is not None:
                    sent = b"".join(pieces)
                    taken = sent[: sent.index(b"\n", len(taken)) + 1]
            else:
                taken += buffer.take(size)
        fed = b"".join(pieces[: len(pieces) - len(todo)])
        self.assertTrue(fed.startswith(taken))
        self.assertEqual(len(buffer), len(fed) - len(taken))

    def test_chunk_is_not_copied(self) -> None:
        """A chunk that is wanted whole comes back as the object that was fed: large literals cost no copy."""
        buffer = ReceiveBuffer()
        chunk = b"x" * 1000
        buffer.feed(chunk)
        self.assertIs(buffer.take(5000), chunk)
        self.assertEqual(buffer.take(5000), b"")

    def test_no_octet_is_looked_at_twice(self) -> None:
        """Looking for a line end goes on where it stopped: a byte at a time costs linear time."""
        buffer = ReceiveBuffer()
        buffer.feed(b"a")
        for _ in range(300_000):
            buffer.feed(b"a")
            buffer.take_line()
        buffer.feed(b"\n")
        self.assertEqual(buffer.take_line(), b"a" * 300_001)
