"""Repository rules for archives that a lock names (archive.py says where they come from)."""

_SCRIPT = "@perennial//third_party/rules:archive.py"

def run_archive(ctx, kind, arguments):
    """Gets and unpacks the archives of ctx.attr.lock into the repository; fails with one line.

    Args:
      ctx: the repository context; needs the attributes `lock` and `_script`.
      kind: "debian" or "wheel".
      arguments: further arguments of archive.py.
    """
    ctx.report_progress("getting the archives of " + str(ctx.attr.lock))
    result = ctx.execute(
        ["/usr/bin/python3", "-B", str(ctx.path(ctx.attr._script)), kind] +
        ["--lock", str(ctx.path(ctx.attr.lock)), "--out", "."] + arguments,
        timeout = 3600,
    )
    messages = result.stderr.strip()
    if result.return_code != 0:
        fail("@%s: %s" % (ctx.name, messages.replace("ERROR: ", "")))
    if messages:
        # buildifier: disable=print
        print("@%s: %s" % (ctx.name, messages))

ARCHIVE_ATTRS = {
    "lock": attr.label(mandatory = True, allow_single_file = True),
    "build_file": attr.label(mandatory = True, allow_single_file = True),
    "_script": attr.label(default = _SCRIPT, allow_single_file = True),
}

def _alias_build(target, names):
    return "\n".join(
        ["package(default_visibility = [\"//visibility:public\"])"] +
        ["alias(name = \"%s\", actual = \"%s\")" % (name, target) for name in names],
    ) + "\n"

def _debian_archive_impl(ctx):
    arguments = ["--merge=%s=%s" % item for item in ctx.attr.merge.items()]
    run_archive(ctx, "debian", arguments)
    ctx.symlink(ctx.attr.build_file, "BUILD")
    for package, names in ctx.attr.aliases.items():
        ctx.file(package + "/BUILD", _alias_build(ctx.attr.alias_of, names))

debian_archive = repository_rule(
    implementation = _debian_archive_impl,
    doc = """Debian packages, unpacked: headers in include/, libraries in lib/, data in share/.""",
    attrs = dict(
        ARCHIVE_ATTRS,
        merge = attr.string_dict(doc = "Archive to make -> pattern of the archives merged into it."),
        aliases = attr.string_list_dict(doc = "Package -> target names that mean `alias_of`."),
        alias_of = attr.string(),
    ),
)

def _wheel_archive_impl(ctx):
    run_archive(ctx, "wheel", ["--take=%s=%s" % item for item in ctx.attr.take.items()])
    ctx.symlink(ctx.attr.build_file, "BUILD")

wheel_archive = repository_rule(
    implementation = _wheel_archive_impl,
    doc = """Files of Python wheels; no Python is run.""",
    attrs = dict(
        ARCHIVE_ATTRS,
        take = attr.string_dict(doc = "Regex of a member -> where it goes, with groups.", mandatory = True),
    ),
)
