"""The repository @local_cuda: the CUDA toolkit of this machine, if it has one."""

_BUILD = """
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "cuda",
    srcs = {libraries},
    hdrs = {headers},
    includes = {headers},
    linkopts = ["-ldl", "-lrt", "-pthread"],
)
"""

def _local_cuda_impl(ctx):
    home = ctx.os.environ.get("CUDA_HOME", "") or "/usr/local/cuda"
    nvcc = ctx.path(home + "/bin/nvcc")
    version = ""
    libraries, headers = [], []
    if nvcc.exists:
        result = ctx.execute([nvcc, "--version"])
        if result.return_code != 0:
            fail("%s --version failed: %s" % (nvcc, result.stderr.strip()))
        lines = [line for line in result.stdout.splitlines() if line.startswith("Cuda compilation")]
        version = lines[0].split(", ")[-1] if lines else "unknown"
        for folder in ["lib64", "lib", "targets/x86_64-linux/lib"]:
            library = ctx.path("%s/%s/libcudart_static.a" % (home, folder))
            if library.exists:
                ctx.symlink(library, "lib/libcudart_static.a")
                libraries = ["lib/libcudart_static.a"]
                break
        ctx.symlink(home + "/include", "include")
        headers = ["include"]
    ctx.file("BUILD", _BUILD.format(libraries = repr(libraries), headers = repr(headers)))
    ctx.file("defs.bzl", "\n".join([
        "\"\"\"Where the CUDA compiler is; empty on a machine without the toolkit.\"\"\"",
        "NVCC = \"%s\"" % (nvcc if version else ""),
        "NVCC_VERSION = \"%s\"" % version,
        "LOOKED_AT = \"%s\"" % home,
    ]) + "\n")

local_cuda_repository = repository_rule(
    implementation = _local_cuda_impl,
    configure = True,
    environ = ["CUDA_HOME"],
    local = True,
)
