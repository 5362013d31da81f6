"""Squall's Python runtime client: the first thing that runs in a jail.

Started as `bootstrap.py MODE TASK_ROOT LAYER_ROOTS PACKAGES`, where MODE is
`template` (load the function, then be forked) or `instance` (load it and serve).
Descriptor 3 is the channel to the engine. Only the standard library is used, and
little of it: what is imported here is paid for at every start.
"""

import os
import sys


def set_search_path(task_root, layer_roots, packages):
    """The order of AWS: PYTHONPATH, the code, the layers, the standard library, the SDK."""
    version = "python%d.%d" % sys.version_info[:2]
    path = [task_root]
    for root in layer_roots:
        path.append(os.path.join(root, "python", "lib", version, "site-packages"))
        path.append(os.path.join(root, "python"))
    own = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
    runtime = sys.path.pop(0) if sys.path and sys.path[0] == HERE else HERE
    sdk = [os.path.join(HERE, "aws-sdk")]
    sys.path[:] = own + path + sys.path + [runtime] + packages + sdk


def main():
    mode, task_root, layer_roots, packages = sys.argv[1:5]
    split = lambda text: [part for part in text.split(":") if part]
    sys.path.insert(0, HERE)
    import squall_fork
    import squall_load
    import squall_serve

    sys.argv = [""]
    set_search_path(task_root, split(layer_roots), split(packages))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)
    squall_load.prepare_interpreter()
    if mode == "template":
        squall_fork.run_template()
    else:
        squall_serve.run_instance()


HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    main()
