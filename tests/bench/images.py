"""Images through the daemon: one large, ten at once, beside nginx on the same disk and beside what the disk and SHA-512 alone take."""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import cloud
from tests.bench.figures import Figure
from tests.bench.process import ROOT, Measured, wait

NGINX = ROOT / "build/nginx/usr/sbin/nginx"
MIB, GIB = 1 << 20, 1 << 30
AT_ONCE = 10
CONFIGURATION = """
daemon off; master_process off; pid {work}/nginx.pid; error_log {work}/error.log; user root;
events {{ }}
http {{
    access_log off; sendfile on; client_max_body_size 0; client_body_temp_path {work}/body;
    proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
    server {{ listen 127.0.0.1:{port}; root {work}/files; location / {{ dav_methods PUT; create_full_put_path on; }} }}
}}
"""


@dataclass(frozen=True)
class Moved:
    """Seconds that a transfer took, and the processor seconds of the server meanwhile."""

    seconds: float
    cpu: float


def figures(full: bool) -> list[Figure]:
    size = GIB if full else 256 * MIB
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as directory, cloud.new() as place, place.serving() as daemon:
        source = _file(Path(directory) / "image", size)
        caller = place.caller("demo")
        idle = daemon.resident_mb()
        up, image = _uploaded(daemon, caller, source)
        down = _downloaded(daemon, caller, image, source)
        caller.request("DELETE", f"/image/v2/images/{image}")
        alone = daemon.highest_mb()
        small = 200 * MIB if full else size // AT_ONCE
        several = _several(daemon, caller, _file(Path(directory) / "small", small))
        highest = daemon.highest_mb()
        copied = _copied(source)
        with _nginx(Path(directory)) as peer:
            peers = _peer(peer, Path(directory), source) if peer else None
    return _told(size, up, down, copied, peers) + [
        Figure(f"{AT_ONCE} uploads at once, of {small // MIB} MiB", AT_ONCE * small / MIB / several.seconds, "MB/s",
               (("one upload", size / MIB / up.seconds),)),
        Figure("resident memory at most, one upload and download", alone, "MB", (("idle", idle),), most=200),
        Figure(f"resident memory at most, {AT_ONCE} uploads at once", highest, "MB", (("idle", idle),), most=200),
    ]


def _told(size: int, up: Moved, down: Moved, copied: float, peers: tuple[Moved, Moved] | None) -> list[Figure]:
    def rate(moved: float) -> float:
        return size / MIB / moved

    def cpu(moved: Moved) -> float:
        return moved.cpu * GIB / size
    by_nginx = [("to nginx", "from nginx"), peers] if peers else None
    found = []
    for number, (name, moved) in enumerate((("upload", up), ("download", down))):
        others = ((f"curl {by_nginx[0][number]}", rate(by_nginx[1][number].seconds)),) if by_nginx else ()
        used = ((f"curl {by_nginx[0][number]}", cpu(by_nginx[1][number])),) if by_nginx else ()
        bare = (("cp and sha512sum", rate(copied)),) if name == "upload" else ()
        found += [Figure(f"{name} of {size // MIB} MiB", rate(moved.seconds), "MB/s", others + bare),
                  Figure(f"{name}: processor seconds a GiB", cpu(moved), "s", used)]
    return found


def _file(path: Path, size: int) -> Path:
    """Bytes that no file system and no zip makes smaller, on disk before anything is measured."""
    piece = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8, "big") + piece[8:])
        os.fsync(file.fileno())
    return path


def _curl(*arguments: str) -> None:
    subprocess.run(["curl", "-sS", "--fail", *arguments], check=True)


def _timed(server: Measured, work: Callable[[], None]) -> Moved:
    before, began = server.spent(), time.perf_counter()
    work()
    return Moved(time.perf_counter() - began, server.spent().since(before).cpu)


def _empty(caller: cloud.Caller) -> str:
    return caller.post("/image/v2/images", {"name": "bench", "disk_format": "raw", "container_format": "bare"})["id"]


def _send(caller: cloud.Caller, image: str, source: Path) -> None:
    _curl("-X", "PUT", "-T", str(source), "-H", f"X-Auth-Token: {caller.token}", "-H", "Content-Type: application/octet-stream",
          f"http://127.0.0.1:{caller.port}/image/v2/images/{image}/file")


def _uploaded(daemon: Measured, caller: cloud.Caller, source: Path) -> tuple[Moved, str]:
    image = _empty(caller)
    return _timed(daemon, lambda: _send(caller, image, source)), image


def _downloaded(daemon: Measured, caller: cloud.Caller, image: str, source: Path) -> Moved:
    url = f"http://127.0.0.1:{caller.port}/image/v2/images/{image}/file"
    moved = _timed(daemon, lambda: _curl("-H", f"X-Auth-Token: {caller.token}", "-o", "/dev/null", url))
    told = caller.get(f"/image/v2/images/{image}")
    with source.open("rb") as file:
        assert told["os_hash_value"] == hashlib.file_digest(file, "sha512").hexdigest()
    return moved


def _several(daemon: Measured, caller: cloud.Caller, source: Path) -> Moved:
    images = [_empty(caller) for _ in range(AT_ONCE)]

    def all_of_them() -> None:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda image: _send(caller, image, source), images))
    moved = _timed(daemon, all_of_them)
    for image in images:
        caller.request("DELETE", f"/image/v2/images/{image}")
    return moved


def _copied(source: Path) -> float:
    """What the disk and the sum alone take: a copy that is on the disk, and its SHA-512."""
    target, began = source.with_name("copy"), time.perf_counter()
    shutil.copyfile(source, target)
    subprocess.run(["sync", str(target)], check=True)
    subprocess.run(["sha512sum", str(target)], check=True, stdout=subprocess.DEVNULL)
    target.unlink()
    return time.perf_counter() - began


@contextmanager
def _nginx(work: Path) -> Iterator[tuple[Measured, int] | None]:
    """A web server on the same disk; None where there is none."""
    if not NGINX.exists():
        yield None
        return
    port = cloud.free_port()
    (work / "files").mkdir()
    (work / "nginx.conf").write_text(CONFIGURATION.format(work=work, port=port))
    process = subprocess.Popen([NGINX, "-p", str(work), "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")])
    try:
        server = Measured(process)
        wait(lambda: server.alive() and _listens(port))
        yield server, port
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    return subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/"], check=False).returncode == 0


def _peer(peer: tuple[Measured, int], work: Path, source: Path) -> tuple[Moved, Moved]:
    server, port = peer
    url = f"http://127.0.0.1:{port}/image"
    up = _timed(server, lambda: _curl("-T", str(source), url))
    subprocess.run(["sync", str(work / "files/image")], check=True)
    return up, _timed(server, lambda: _curl("-o", "/dev/null", url))
