"""The repository @torch: the CPU part of LibTorch from the wheel of a lock, or from TORCH_PATH."""

load("@perennial//third_party/rules:archive.bzl", "ARCHIVE_ATTRS", "run_archive")

# Headers of other projects that the wheel carries: google/ (an old protobuf) would shadow ours, the
# rest is used by nothing that we include.
_FOREIGN = ["google", "pybind11", "tensorpipe", "fbgemm", "THC"]

# libtorch.so is left out: it needs libtorch_cuda.so. libtorch_cpu.so of the CUDA build needs the
# runtime and the profiler of CUDA to load, but no driver.
_LIBRARIES = ["libtorch_cpu.so", "libc10.so", "libgomp", "libcudart", "libcupti"]

def _from_wheel(ctx):
    take = {
        "torch/(include/(?!(?:%s)/).*\\.(?:h|hpp|cuh))" % "|".join(_FOREIGN): "\\1",
        "torch/lib/(libtorch_cpu\\.so|libc10\\.so|libgomp\\.so\\.1)": "lib/\\1",
        "nvidia/.*/(libcudart\\.so\\.\\d+|libcupti\\.so\\.\\d+)": "lib/\\1",
    }
    run_archive(ctx, "wheel", ["--take=%s=%s" % item for item in take.items()])

def _from_folder(ctx, folder):
    """Links the parts of an unpacked libtorch, or of the `torch` folder of an installed wheel."""
    root = ctx.path(folder)
    if not root.get_child("include").exists or not root.get_child("lib").exists:
        fail(("TORCH_PATH=%s has no include/ and lib/: name the folder of an unpacked libtorch, " +
              "or site-packages/torch") % folder)
    for header in root.get_child("include").readdir():
        if header.basename not in _FOREIGN:
            ctx.symlink(header, "include/" + header.basename)
    folders = [root.get_child("lib")]
    for part in ["cu13/lib", "cuda_runtime/lib", "cuda_cupti/lib"]:
        folders.append(ctx.path(str(root.dirname) + "/nvidia/" + part))
    seen = []
    for place in folders:
        for library in place.readdir() if place.exists else []:
            name = library.basename
            if any([name.startswith(known) for known in _LIBRARIES]) and name not in seen:
                ctx.symlink(library, "lib/" + name)
                seen.append(name)
    for name in ["libtorch_cpu.so", "libc10.so"]:
        if name not in seen:
            fail("TORCH_PATH=%s has no lib/%s" % (folder, name))

def _torch_repository_impl(ctx):
    folder = ctx.os.environ.get("TORCH_PATH", "")
    if folder:
        _from_folder(ctx, folder)
    else:
        _from_wheel(ctx)
    ctx.symlink(ctx.attr.build_file, "BUILD")

torch_repository = repository_rule(
    implementation = _torch_repository_impl,
    attrs = ARCHIVE_ATTRS,
    environ = ["TORCH_PATH"],
)
