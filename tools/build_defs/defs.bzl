"""The rules of the project's BUILD files: C++ with warnings as errors, tests, benchmarks, protos,
CUDA kernels and lint.

They take the attributes of the native rules; what differs is said at each.
"""

load("//tools/build_defs:cuda.bzl", "cuda_objects")

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wcast-qual",
    "-Wextra-semi",
    # Designated initialisers leave the rest to the members' defaults.
    "-Wno-missing-field-initializers",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
    "-Wshadow",
    "-Wsuggest-override",
    "-Wundef",
    "-Wvla",
]

# The libraries that we call use one thread unless a test asks for more.
_TEST_ENV = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

_CUDA_ONLY = select({
    "@perennial//tools:cuda": [],
    "//conditions:default": ["@perennial//tools:cuda_not_enabled"],
})

def _copts(copts):
    # Inside another workspace a compiler of another version must not stop a build by a new warning.
    own = native.repository_name() == "@"
    return (_WARNINGS + ["-Werror"] if own else ["-w"]) + copts

def if_cuda(with_cuda, without_cuda = []):
    """A value for --config=cuda, and one for all other builds."""
    return select({
        "@perennial//tools:cuda": with_cuda,
        "//conditions:default": without_cuda,
    })

def cc_library(name, copts = [], **kwargs):
    """A C++ library. Everything is compiled with -O2; a kernel asks for copts = ["-O3"]."""
    native.cc_library(name = name, copts = _copts(copts), linkstatic = True, **kwargs)

def cc_binary(name, copts = [], **kwargs):
    """A C++ program."""
    native.cc_binary(name = name, copts = _copts(copts), linkstatic = True, **kwargs)

def cc_test(name, copts = [], deps = [], env = {}, size = "small", **kwargs):
    """A GoogleTest test; brings gtest, gmock and their main itself."""
    native.cc_test(
        name = name,
        size = size,
        copts = _copts(copts),
        env = dict(_TEST_ENV, **env),
        linkstatic = True,
        deps = deps + ["@com_google_googletest//:gtest_main"],
        **kwargs
    )

def cc_mutation_test(name, **kwargs):
    """A seeded mutation test of parsers (//common/testing:mutation), two seconds a parser; and
    `<name>_long`, tagged manual, of five minutes a parser, for an evening with --config=asan.
    """
    for suffix, size, seconds, tags in [
        ("", "small", "2", []),
        ("_long", "enormous", "300", ["manual"]),
    ]:
        cc_test(
            name = name + suffix,
            size = size,
            env = {"PERENNIAL_MUTATION_SECONDS": seconds},
            tags = tags,
            **kwargs
        )

def cc_benchmark(name, srcs, copts = [], data = [], deps = [], smoke_args = [], tags = [], **kwargs):
    """A Google Benchmark program, and the test `<name>_smoke` that runs each benchmark briefly."""
    native.cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs,
        copts = _copts(copts),
        linkstatic = True,
        tags = tags,
        visibility = ["//visibility:private"],
        deps = deps + ["@com_github_google_benchmark//:benchmark_main"],
        alwayslink = True,
        **kwargs
    )
    native.cc_binary(
        name = name,
        testonly = True,
        data = data,
        linkstatic = True,
        tags = tags,
        deps = [":%s_lib" % name],
    )
    native.cc_test(
        name = name + "_smoke",
        size = "small",
        args = ["--benchmark_min_time=0.001"] + smoke_args,
        data = data,
        env = _TEST_ENV,
        linkstatic = True,
        tags = tags,
        deps = [":%s_lib" % name],
    )

def proto_library(name, srcs, deps = [], **kwargs):
    """A proto library `x_proto`, and its C++ code `x_cc_proto`."""
    if not name.endswith("_proto"):
        fail("proto_library %s: the name must end with _proto" % name)
    native.proto_library(name = name, srcs = srcs, deps = deps, **kwargs)
    native.cc_proto_library(
        name = name[:-len("_proto")] + "_cc_proto",
        deps = [":" + name],
        **kwargs
    )

def cuda_library(name, srcs, hdrs = [], copts = [], deps = [], **kwargs):
    """CUDA kernels: .cu files behind a header that C++ includes.

    Exists with --config=cuda only; without it this target, and what depends on it, is skipped by
    `build //...` and `test //...`. The runtime is linked statically, so a test starts on a machine
    without a GPU; it then calls GTEST_SKIP, which counts it as skipped.
    """
    cuda_objects(
        name = name + "_objects",
        srcs = srcs,
        hdrs = hdrs,
        copts = copts,
        target_compatible_with = _CUDA_ONLY,
        visibility = ["//visibility:private"],
        deps = deps + ["@local_cuda//:cuda"],
    )
    native.cc_library(
        name = name,
        srcs = [":%s_objects" % name],
        hdrs = hdrs,
        copts = _copts(copts),
        linkstatic = True,
        target_compatible_with = _CUDA_ONLY,
        deps = deps + ["@local_cuda//:cuda"],
        **kwargs
    )

def _lint_test(name, script, files, data = [], args = []):
    native.sh_test(
        name = name,
        size = "small",
        srcs = ["@perennial//tools/lint:" + script],
        args = args + ["$(location %s)" % f for f in files],
        data = files + data,
        tags = ["lint"],
    )

def package_lint(extra_text = [], exclude = []):
    """Tests of the style of the package's files; stands last in each BUILD file.

    lint_format: clang-format. lint_includes: include guards, own header first, no torch/torch.h in
    a header. lint_text: no path or host of a machine; a line of research uses //common only.

    Args:
      extra_text: patterns of further text files (the root package: folders without a BUILD file).
      exclude: patterns of files that lint_text leaves out.
    """
    code = native.glob(["*.h", "*.cc", "*.cu"], allow_empty = True)
    # The root package names its folders: a recursive pattern would walk into bazel-out and runs.
    below = "**/" if native.package_name() else ""
    text = native.glob(
        ["BUILD", "*.BUILD", "*.bzl", "*.cc", "*.cu", "*.h", "*.lock"] +
        [below + "*." + kind for kind in ["md", "proto", "py", "sh", "textproto"]] + extra_text,
        allow_empty = True,
        exclude = exclude,
    )
    if code:
        _lint_test("lint_format", "format.sh", code, data = ["@perennial//:.clang-format"])
        _lint_test("lint_includes", "includes.py", code)
    _lint_test("lint_text", "text.py", text)
