"""Where third-party test suites come from: Debian's source packages, fetched into a folder of the
build and never into the repository. Nothing on the system is changed: apt gets its own lists."""

import os
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"


def _apt(folder, suite, *words):
    lists = os.path.join(folder, "lists")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    sources = os.path.join(folder, "sources.list")
    with open(sources, "w") as file:
        file.write(f"deb-src [signed-by={KEYRING}] {MIRROR} {suite} main\n")
        if suite == "bookworm":
            file.write(f"deb-src [signed-by={KEYRING}] {SECURITY} bookworm-security main\n")
    options = {"Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null",
               "Dir::State::lists": lists, "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
               "APT::Sandbox::User": "root"}
    command = ["apt-get", "-qq"]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    done = subprocess.run(command + list(words), cwd=folder, text=True, capture_output=True,
                          check=False)
    return done


def fetch(package, folder, suite="bookworm", name=None):
    """The unpacked original source of a Debian package, which calls itself `name` if not as the
    package; None if it cannot be had."""
    folder = os.path.abspath(folder)  # apt is run in it
    os.makedirs(folder, exist_ok=True)

    def unpacked():
        found = [one for one in os.listdir(folder) if one.startswith((name or package) + "-")
                 and os.path.isdir(os.path.join(folder, one))]
        return os.path.join(folder, found[0]) if found else None

    def original():
        found = [one for one in os.listdir(folder) if one.startswith(package + "_")
                 and ".orig.tar" in one and not one.endswith(".asc")]
        return os.path.join(folder, found[0]) if found else None

    if unpacked():
        return unpacked()
    if not original():
        _apt(folder, suite, "update")
        # What Debian adds is not needed: the original alone will do.
        said = _apt(folder, suite, "source", "--download-only", package).stderr
        if not original():
            print(f"{package}: cannot be fetched: {said.strip()}")
            return None
    shutil.unpack_archive(original(), folder)
    return unpacked()
