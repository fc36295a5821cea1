"""All external repositories of the project, for its own WORKSPACE and for workspaces that use it.

    local_repository(name = "perennial", path = "...")
    load("@perennial//third_party:dependencies.bzl", "perennial_dependencies")
    perennial_dependencies()

A repository that the outer workspace has declared before wins. Nothing is fetched before a target
needs it.
"""

load("@perennial//third_party/absl:aliases.bzl", "ABSL_ALIASES")
load("@perennial//third_party/cuda:repository.bzl", "local_cuda_repository")
load("@perennial//third_party/rules:archive.bzl", "debian_archive", "wheel_archive")
load("@perennial//third_party/rules:shims.bzl", "rule_shims")
load("@perennial//third_party/torch:repository.bzl", "torch_repository")

def _overlay(folder):
    return "@perennial//third_party/%s:%s.BUILD" % (folder, folder)

def _debian(name, folder, **kwargs):
    if name not in native.existing_rules():
        debian_archive(
            name = name,
            build_file = _overlay(folder),
            lock = "@perennial//third_party/%s:packages.lock" % folder,
            **kwargs
        )

def _wheel(name, folder, **kwargs):
    if name not in native.existing_rules():
        wheel_archive(
            name = name,
            build_file = _overlay(folder),
            lock = "@perennial//third_party/%s:wheels.lock" % folder,
            **kwargs
        )

def perennial_dependencies():
    """Declares every external repository that is not declared yet."""
    rule_shims()
    _debian(
        "com_google_absl",
        "absl",
        alias_of = "@com_google_absl//:absl",
        aliases = ABSL_ALIASES,
        merge = {"lib/libabsl_merged.a": "lib/libabsl_*.a"},
    )
    _debian("com_github_gflags_gflags", "gflags")
    _debian("com_github_google_benchmark", "benchmark")
    _debian("com_github_google_glog", "glog")
    _debian("com_google_googletest", "googletest")
    _debian("com_google_highway", "highway")
    _debian("com_google_protobuf", "protobuf")
    _debian("fashion_mnist", "fashion_mnist")
    _debian("nlohmann_json", "nlohmann_json")
    _debian("zlib", "zlib")
    _wheel(
        "causaldata",
        "causaldata",
        take = {"causaldata/(?:cps|nsw)_mixtape/(\\w+\\.dta)": "\\1"},
    )
    _wheel(
        "causallib",
        "causallib",
        take = {"causallib/datasets/data/((?:acic_challenge_2016|nhefs)/\\w+\\.csv)": "\\1"},
    )
    _wheel(
        "econml",
        "econml",
        take = {"econml/data/(ihdp/sim\\.csv)": "\\1"},
    )
    _wheel(
        "lightgbm",
        "lightgbm",
        take = {
            "lightgbm/(lib/lib_lightgbm\\.so)": "\\1",
            "lightgbm-.*/licenses/(LICENSE)": "share/\\1",
        },
    )
    _wheel(
        "plotly",
        "plotly",
        take = {"plotly/package_data/(plotly\\.min\\.js)": "\\1"},
    )
    if "torch" not in native.existing_rules():
        torch_repository(
            name = "torch",
            build_file = _overlay("torch"),
            lock = "@perennial//third_party/torch:wheels.lock",
        )
    if "local_cuda" not in native.existing_rules():
        local_cuda_repository(name = "local_cuda")
