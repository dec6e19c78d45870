"""Frames between processes: what is sent arrives, and nothing else is believed."""

import io
import os
import threading
from types import MappingProxyType

import numpy as np
import pytest

from napari_mednext.app.wire import Channel
from napari_mednext.errors import StorageError


class Trickle(io.RawIOBase):
    """Takes and gives few bytes at a time, as a pipe may."""

    def __init__(self, content=b"", most=7):
        self.content = bytearray(content)
        self.most = most

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        part = self.content[: min(self.most, len(buffer))]
        buffer[: len(part)] = part
        del self.content[: len(part)]
        return len(part)

    def write(self, data):
        part = bytes(data[: self.most])
        self.content += part
        return len(part)


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_messages_arrive_whole_through_short_reads_and_writes(most):
    pipe = Trickle(most=most)
    channel = Channel(pipe, pipe)
    array = np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)
    messages = [
        ("arrays", array, array[:0], np.asfortranarray(array), array[::2]),
        {"nothing": None, "mapping": MappingProxyType({1: "one"})},
        "",
    ]
    for message in messages:
        channel.send(message)
    kind, *arrays = channel.receive()
    assert kind == "arrays"
    for got, sent in zip(arrays, messages[0][1:], strict=True):
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent)
    assert channel.receive() == messages[1]
    assert channel.receive() == ""
    with pytest.raises(EOFError, match="closed"):
        channel.receive()


def test_received_arrays_can_be_written_to():
    pipe = Trickle(most=1000)
    Channel(pipe, pipe).send(np.zeros(4))
    array = Channel(pipe, pipe).receive()
    array += 1
    assert array.tolist() == [1, 1, 1, 1]


def test_what_is_no_frame_is_refused():
    pipe = Trickle(b"hello, this was printed by a library")
    with pytest.raises(StorageError, match="must start with b'NMX1', got b'hell'"):
        Channel(pipe, pipe).receive()


def test_a_frame_that_breaks_off_is_the_end():
    pipe = Trickle(most=1000)
    Channel(pipe, pipe).send(np.zeros(100))
    del pipe.content[-1:]
    with pytest.raises(EOFError, match="closed"):
        Channel(pipe, pipe).receive()


def test_several_threads_may_send():
    read, write = os.pipe()
    with io.FileIO(read, "r") as reader, io.FileIO(write, "w") as writer:
        channel = Channel(reader, writer)
        threads = [
            threading.Thread(
                target=lambda n=n: [
                    channel.send((n, i, np.full(5000, n))) for i in range(20)
                ]
            )
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        got = [channel.receive() for _ in range(60)]
        for thread in threads:
            thread.join()
    for n in range(3):
        assert [i for m, i, _ in got if m == n] == list(range(20))
    assert all((array == n).all() for n, _, array in got)
