"""Compiles the modules below a folder, the same way every time.

Started as `compile.py ROOT SHARD SHARDS`. What is written is never compared with its
source again, so that the times of unpacked files do not matter.
"""

import os
import py_compile
import sys

root, shard, shards = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = []
for folder, folders, names in os.walk(root):
    folders.sort()
    found.extend(os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))

for path in found[shard::shards]:
    shown = os.path.join("/opt/python", os.path.relpath(path, root))
    try:
        py_compile.compile(
            path,
            dfile=shown,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except Exception:
        # Templates and code for other versions: whoever imports it sees why.
        pass
