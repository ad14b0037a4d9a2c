"""What a disk image really is, told by its content alone, before any tool opens it.

Images come from users. A format that can name other files of the machine, ask for absurd tables or be two things at once is
refused here with words that say why (`UnsafeImage`); whatever opens an image afterwards is told the format and never guesses.
Only a beginning, an end and at most one piece between are looked at, so a stream of any length costs the same memory:

    watcher = Watcher()
    watcher.feed(chunk)                    # as data passes by
    found = watcher.found()                # Found("qcow2", virtual_size=...)

Formats: qemu.org `docs/interop/qcow2.txt` and `parallels.txt`, VMware's "Virtual Disk Format 5.0", Microsoft's VHD and VHDX
specifications, VirtualBox's VDICore.h, ECMA-119, UEFI 2.10 chapter 5. Which of their fields harm: OSSA-2015-014, 2016-012,
2023-002, 2024-001, 2024-002, and OpenStack's own inspector in oslo.utils.
"""

from cloudd.core.diskimages.content import HEAD, Content, Found, UnsafeImage, Watcher
from cloudd.core.diskimages.formats import inspect, inspect_file, watch

__all__ = ["HEAD", "Content", "Found", "UnsafeImage", "Watcher", "inspect", "inspect_file", "watch"]
