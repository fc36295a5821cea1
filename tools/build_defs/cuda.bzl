"""Compiles .cu files with nvcc into objects that a cc_library takes as sources."""

load("@local_cuda//:defs.bzl", "LOOKED_AT", "NVCC", "NVCC_VERSION")

# Code for A100 and H100, and PTX for what comes later.
_ARCHITECTURES = [
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=[sm_90,compute_90]",
]

def _cuda_objects_impl(ctx):
    if not NVCC:
        fail(("no CUDA toolkit at %s (looked for bin/nvcc): set CUDA_HOME to one, or build without " +
              "--config=cuda") % LOOKED_AT)
    contexts = [dep[CcInfo].compilation_context for dep in ctx.attr.deps]
    context = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]) \
        .compilation_context if contexts else None
    flags = []
    headers = depset()
    if context:
        # nvcc knows no -iquote.
        flags += ["-I" + path for path in context.quote_includes.to_list() + context.includes.to_list()]
        flags += ["-isystem=" + path for path in context.system_includes.to_list()]
        flags += ["-D" + define for define in context.defines.to_list()]
        headers = context.headers
    root = ctx.label.workspace_root or "."
    outputs = []
    for source in ctx.files.srcs:
        output = ctx.actions.declare_file("_cuda/%s/%s.pic.o" % (ctx.label.name, source.basename))
        ctx.actions.run(
            executable = NVCC,
            arguments = [
                "-ccbin=/usr/bin/g++",
                "-std=c++20",
                "-O3",
                "--Werror=all-warnings",
                "-Xcompiler=-fPIC,-Wall",
                "-I" + root,
                "-I" + ctx.bin_dir.path,
            ] + _ARCHITECTURES + flags + ctx.attr.copts + ["-c", source.path, "-o", output.path],
            inputs = depset(ctx.files.srcs + ctx.files.hdrs, transitive = [headers]),
            outputs = [output],
            # The version is there for the key of the action: another toolkit, another result.
            env = {
                "PATH": "/usr/bin:/bin",
                "PERENNIAL_NVCC_VERSION": NVCC_VERSION,
            },
            mnemonic = "CudaCompile",
            progress_message = "Compiling %s with nvcc" % source.short_path,
        )
        outputs.append(output)
    return [DefaultInfo(files = depset(outputs))]

cuda_objects = rule(
    implementation = _cuda_objects_impl,
    attrs = {
        "copts": attr.string_list(),
        "deps": attr.label_list(providers = [CcInfo]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "srcs": attr.label_list(allow_files = [".cu"], mandatory = True),
    },
)
