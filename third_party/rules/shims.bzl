"""Minimal stand-ins for the rule repositories that Bazel 4 loads for every C++ target.

Bazel's built-in toolchain packages load @rules_cc, @rules_java and @remote_coverage_tools. The
project uses the native rules only, so these forward to them instead of being fetched.
"""

_CC = ["binary", "import", "library", "proto_library", "test", "toolchain", "toolchain_suite"]
_JAVA = ["binary", "import", "library", "runtime", "test", "toolchain"]

def _forwards(prefix, names):
    return "\n".join([
        "def %s_%s(**kwargs):\n    native.%s_%s(**kwargs)\n" % (prefix, n, prefix, n)
        for n in names
    ])

def _shim_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    for path, content in ctx.attr.files.items():
        ctx.file(path, content)

_shim = repository_rule(implementation = _shim_impl, attrs = {"files": attr.string_dict()})

def rule_shims():
    """Declares the stand-ins that the outer workspace has not declared itself."""
    shims = {
        "rules_cc": {"BUILD": "", "cc/BUILD": "", "cc/defs.bzl": _forwards("cc", _CC)},
        "rules_java": {"BUILD": "", "java/BUILD": "", "java/defs.bzl": _forwards("java", _JAVA)},
        "remote_coverage_tools": {
            "BUILD": "\n".join([
                "filegroup(name = \"%s\", visibility = [\"//visibility:public\"])" % n
                for n in ["coverage_report_generator", "lcov_merger"]
            ]),
        },
    }
    for name, files in shims.items():
        if name not in native.existing_rules():
            _shim(name = name, files = files)
