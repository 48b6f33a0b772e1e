"""The built-in list of protected paths: files that run outside of the tests, or instruct people's tools. Data only.

Used by `jobs.evidence.protected`.
"""

from __future__ import annotations

PROTECTED_PLACES: dict[str, tuple[str, ...]] = {
    "runs in continuous integration": (
        ".github/workflows/**", ".github/actions/**", "action.yml", "action.yaml", ".gitea/**", ".forgejo/**",
        ".gitlab-ci.yml", ".gitlab-ci.yaml", "*.gitlab-ci.yml", ".gitlab/ci/**", ".circleci/**", ".travis.yml",
        ".ci/**", "azure-pipelines*.yml", "azure-pipelines*.yaml", ".azure-pipelines/**", ".azuredevops/**",
        "Jenkinsfile*", "*.jenkinsfile", ".jenkins/**", ".buildkite/**", "bitbucket-pipelines.yml", ".drone.yml",
        ".drone.star", ".drone.jsonnet", ".woodpecker.y*ml", ".woodpecker/**", "appveyor.yml", ".appveyor.yml",
        ".semaphore/**", ".cirrus.yml", ".cirrus.star", "buildspec*.yml", "cloudbuild.y*ml", ".tekton/**",
        ".teamcity/**", "wercker.yml", ".harness/**", ".builds/**", ".build.yml", ".screwdriver.yaml", "codefresh.yml",
        ".evergreen.yml", "bitrise.yml", "codemagic.yaml", ".vsts-ci.yml", "netlify.toml", "vercel.json", "amplify.yml",
        ".releaserc*", "release.config.*", ".goreleaser.y*ml",
    ),
    "decides who reviews, merges or owns": (
        "CODEOWNERS", ".github/settings.yml", ".github/rulesets/**", ".mergify.yml", ".github/mergify.yml",
        ".mergify/**", ".github/auto_assign.yml", ".kodiak.toml", "OWNERS", "OWNERS_ALIASES",
    ),
    "updates dependencies by itself": (
        ".github/dependabot.y*ml", "dependabot.y*ml", ".dependabot/**", "renovate.json*", ".renovaterc*",
        ".github/renovate.json*", ".gitlab/renovate.json*", "renovate.config.js", ".depfu.yml", ".pyup.yml",
    ),
    "runs on the machine of a developer": (
        "**/.husky/**", "**/.githooks/**", "**/githooks/**", "**/git-hooks/**", ".git-hooks/**", "**/.hooks/**",
        ".pre-commit-config.y*ml", ".pre-commit-hooks.yaml", "lefthook*.y*ml", ".lefthook*.y*ml", "lefthook*.toml",
        "lefthook*.json", ".lefthook/**", ".overcommit.yml", ".simple-git-hooks.*", "simple-git-hooks.*",
        ".lintstagedrc*", "lint-staged.config.*", "captainhook.json", ".envrc", "**/.devcontainer/**",
        ".devcontainer.json", ".gitpod.yml", ".gitpod.Dockerfile", "mise.toml", ".mise.toml", "**/.mise/**",
        "devfile.yaml", ".devfile.yaml",
    ),
    "configures an editor": (
        "**/.vscode/**", "*.code-workspace", "**/.idea/**", "*.iml", "**/.fleet/**", "**/.zed/**", "**/.vs/**",
        ".vimrc", ".nvimrc", ".exrc", ".nvim.lua", ".dir-locals.el", ".dir-locals-2.el", "*.sublime-project",
        "**/.settings/**", "**/.nova/**",
    ),
    "instructs or configures agents": (
        "AGENTS.md", "AGENTS.override.md", "AGENT.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md",
        "CRUSH.md", "WARP.md", "JULES.md", "SKILL.md", "**/copilot-instructions.md", "*.instructions.md",
        "*.prompt.md", "*.chatmode.md", ".github/agents/**", ".github/prompts/**", ".github/instructions/**",
        ".github/chatmodes/**", ".github/copilot/**", "copilot-setup-steps.y*ml", "**/.claude/**", "**/.agents/**",
        "**/.agent/**", "**/.codex/**", "**/.cursor/**", "**/.gemini/**", "**/.qwen/**", "**/.windsurf/**",
        "**/.continue/**", "**/.roo/**", "**/.kilocode/**", "**/.amazonq/**", "**/.kiro/**", "**/.junie/**",
        "**/.augment/**", "**/.openhands/**", "**/.goose/**", "**/.trae/**", "**/.opencode/**", "**/.factory/**",
        "**/.clinerules/**", ".clinerules*", ".cursorrules", ".cursorignore", ".windsurfrules", ".roorules*",
        ".roomodes", ".goosehints", "/.rules", ".replit", ".aider*", ".mcp.json", "mcp.json", "opencode.json*",
        ".coderabbit.y*ml", "greptile.json", ".sweep.y*ml",
    ),
    "runs at each start of the interpreter": ("sitecustomize.py", "usercustomize.py", "*.pth"),
    "configures the package manager": (
        ".npmrc", ".yarnrc*", "**/.yarn/plugins/**", "**/.yarn/releases/**", ".pnpmfile.*", "pnpmfile.*",
        ".bunfig.toml", "bunfig.toml", "pip.conf", "pip.ini", ".pip/**", ".pypirc", "uv.toml",
        "poetry.toml", "pdm.toml", ".condarc", "**/.cargo/config*", "**/.cargo/credentials*", "**/.bundle/config",
        ".gemrc", "/auth.json", "nuget.config", "**/.mvn/**", "gradle-wrapper.properties", "gradle-wrapper.jar",
        "init.gradle*", ".netrc", "_netrc", "pnpm-workspace.yaml",
    ),
    "changes how git or the code host treats files": (".gitattributes", ".gitconfig", ".lfsconfig"),
    "is Loopline's policy; the base branch's version applies until this is merged": ("WORKFLOW.md",),
    "can hold secrets": (".env", ".env.*", "*.env"),
}  # fmt: skip
"""Reason and globs. As in .gitignore: without a slash, a name at any depth; otherwise from the root, with `**` for any
number of folders."""
PUBLIC_NAMES = (
    ".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults", ".env.schema", "example.env",
    "sample.env", "template.env",
)  # fmt: skip
"""They match a glob above but hold names without secrets; the secret scan reads them like every file."""
