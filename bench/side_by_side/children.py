"""Processes that the benchmark starts, and the folder they work in.

A child dies with the benchmark, however that ends: the kernel kills it (PR_SET_PDEATHSIG). The
folder goes with it too: a process of its own waits for the benchmark's end and removes it. Ports
are free ones of the loopback interface.
"""
import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
START_TIMEOUT_S = 60  # a program under callgrind takes its time

_libc = ctypes.CDLL(None)


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_work_folder():
    """A new folder, removed when this process ends, even by SIGKILL."""
    folder = tempfile.mkdtemp(prefix="quorate-bench-")
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()  # a Ctrl-C is not meant for it
        os.close(write_end)
        os.read(read_end, 1)  # returns when the last holder of the other end is gone
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    os.close(read_end)
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _prepare_child(parent):
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """One server or proxy; what it prints goes to NAME.log in the work folder."""

    def __init__(self, folder, name, command):
        self.name = name
        self.log_path = os.path.join(folder, name + ".log")
        parent = os.getpid()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                preexec_fn=lambda: _prepare_child(parent))

    @property
    def pid(self):
        return self.process.pid

    def cpu_ns(self):
        """CPU time of all its threads, the ended ones too, in nanoseconds.

        The process' CPU clock (clock_getcpuclockid): the scheduler's own account, exact at the
        moment of the call, unlike the ticks of /proc/PID/stat and unlike schedstat, which lags
        behind what runs now and forgets threads that ended.
        """
        cpu_clock_of_process = 2
        return time.clock_gettime_ns((~self.pid << 3) | cpu_clock_of_process)

    def wait_until_listening(self, port):
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} does not serve:\n{self.log_tail()}") from None
                time.sleep(0.01)

    def log_tail(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-2000:]

    def stop(self):
        """Ends it as an operator would; what its exit writes is complete on return."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def run_tool(command, **options):
    """Runs a program to its end; returns its standard output. It dies with the benchmark too."""
    parent = os.getpid()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False,
                          preexec_fn=lambda: _prepare_child(parent), **options)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout
