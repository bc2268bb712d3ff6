"""Two proxies between a stack and its stores that misbehave when they are told to: one speaks HTTP
to S3, the other Redis' protocol. Both live in one thread of their own.
"""

import asyncio
import random
import re
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field

HOST = "127.0.0.1"
CHUNK = 1 << 16
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HANDSHAKE = re.compile(rb"\*\d+\r\n\$\d+\r\n(AUTH|HELLO|CLIENT|SELECT)\r\n", re.IGNORECASE)
REFUSALS = {
    "redis_loading": b"-LOADING Valkey is loading the dataset in memory\r\n",
    "redis_readonly": b"-READONLY You can't write against a read only replica.\r\n",
}


@dataclass
class Mood:
    """How a proxy behaves now; chance: of each request to meet the fault."""

    fault: str = ""
    chance: float = 1.0
    met: int = 0
    draw: random.Random = field(default_factory=random.Random)

    def meets(self, *faults: str) -> bool:
        if self.fault in faults and self.draw.random() < self.chance:
            self.met += 1
            return True
        return False


class Hangup(Exception):
    """The connection is cut."""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxies:
    """Both proxies, from construction to `close`; `s3` and `redis` are their moods."""

    def __init__(self, seed: int, *, s3: tuple[int, int], redis: tuple[int, int]) -> None:
        """s3, redis: (port to listen on, port of the server behind)."""
        self.s3, self.redis = Mood(draw=random.Random(seed)), Mood(draw=random.Random(seed + 1))
        self._lists: dict[bytes, bytes] = {}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()
        self._await(self._listen(s3, self._s3))
        self._await(self._listen(redis, self._redis))

    def close(self) -> None:
        """Cut every connection and stop."""
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close at the loop's next turn

    def _await(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self, ports: tuple[int, int], serve: object) -> None:
        listen_on, behind = ports

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = None
            try:
                with suppress(OSError, EOFError, Hangup, ValueError):
                    there = await asyncio.open_connection(HOST, behind)
                    await serve((reader, writer), there)
            finally:
                for one in (writer, *(there[1:] if there else ())):
                    one.transport.abort()  # a reset, not an orderly end

        self._servers.append(await asyncio.start_server(connected, HOST, listen_on))

    # S3

    async def _s3(self, client: Streams, server: Streams) -> None:
        while True:
            head, body = await _http(client[0], client[1])
            await self._s3_request(head, body, client[1], server)

    async def _s3_request(
        self, head: bytes, body: bytes, out: asyncio.StreamWriter, server: Streams
    ) -> None:
        mood, method = self.s3, head.split(b" ", 1)[0]
        if mood.meets("s3_500"):
            return await _refuse(out, 500, "InternalError")
        if mood.meets("s3_503"):
            return await _refuse(out, 503, "SlowDown")
        if method == b"PUT" and mood.meets("s3_full"):
            return await _refuse(out, 507, "InsufficientStorage")
        if mood.meets("s3_slow"):
            await asyncio.sleep(mood.draw.uniform(0.2, 1.5))
        if method == b"PUT" and mood.meets("s3_reset_mid_put"):
            server[1].write(head + body[: len(body) // 2])
            await server[1].drain()
            raise Hangup
        server[1].write(head + body)
        await server[1].drain()
        answer, content = await _http(server[0], bodyless=method == b"HEAD")
        if method == b"PUT" and mood.meets("s3_answer_lost"):
            raise Hangup
        if method == b"GET" and content and mood.meets("s3_truncated"):
            out.write(answer + content[: len(content) // 2])
            await out.drain()
            raise Hangup
        whole = answer + content
        if method == b"GET" and b"list-type=2" in head.split(b"\r\n", 1)[0]:
            whole = self._listed(head.split(b" ", 2)[1], whole)
        out.write(whole)
        await out.drain()
        return None

    def _listed(self, query: bytes, fresh: bytes) -> bytes:
        """The answer to a listing: an old one, where lists are stale."""
        if self.s3.meets("s3_stale_list") and query in self._lists:
            return self._lists[query]
        if len(self._lists) > 5000:
            self._lists.clear()
        self._lists[query] = fresh
        return fresh

    # Redis

    async def _redis(self, client: Streams, server: Streams) -> None:
        back = asyncio.create_task(self._answers(server[0], client[1]))
        in_use = False
        try:
            while True:
                command = await _command(client[0])
                shakes_hands = HANDSHAKE.match(command) is not None
                if not shakes_hands and self.redis.meets(*REFUSALS):
                    if in_use:  # an answer may be under way: a server that restarts hangs up, too
                        raise Hangup
                    client[1].write(REFUSALS[self.redis.fault])
                    continue
                if self.redis.meets("redis_reset"):
                    raise Hangup
                if self.redis.meets("redis_slow"):
                    await asyncio.sleep(self.redis.draw.uniform(0.05, 0.6))
                in_use = in_use or not shakes_hands
                server[1].write(command)
                await server[1].drain()
        finally:
            back.cancel()

    async def _answers(self, server: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await server.read(CHUNK):
                if self.redis.meets("redis_answer_lost"):
                    break
                out.write(data)
                await out.drain()
        out.transport.abort()


async def _http(
    reader: asyncio.StreamReader,
    asker: asyncio.StreamWriter | None = None,
    *,
    bodyless: bool = False,
) -> tuple[bytes, bytes]:
    """Head and body of a request or an answer, as they are on the wire; `asker` is told to send the
    body of its request where it waits for that."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b" ", 2)[1]
    if status == b"100":
        return await _http(reader, bodyless=bodyless)
    if bodyless or status in (b"204", b"304"):
        return head, b""
    if asker is not None and b"100-continue" in head.lower():
        asker.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if found := LENGTH.search(head):
        return head, await reader.readexactly(int(found[1]))
    if b"chunked" not in head.lower():
        return head, b""
    body = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        body += size + chunk
        if len(chunk) == 2:
            return head, body


async def _refuse(out: asyncio.StreamWriter, status: int, code: str) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>chaos</Message></Error>"
    out.write(
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await out.drain()


async def _command(reader: asyncio.StreamReader) -> bytes:
    """One command of a client, whole."""
    line = await reader.readuntil(b"\r\n")
    command = line
    if line.startswith(b"*"):
        for _ in range(int(line[1:])):
            size = await reader.readuntil(b"\r\n")
            command += size + await reader.readexactly(int(size[1:]) + 2)
    return command
