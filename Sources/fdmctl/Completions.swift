// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

#if CommandLineTool
import ArgumentParser

/// `fdmctl completions`: a completion script for a shell.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a completion script for bash, zsh or fish.",
        discussion: """
            The script completes subcommands, options and directories.

              bash   fdmctl completions bash > ~/.local/share/bash-completion/completions/fdmctl
              zsh    fdmctl completions zsh > DIR/_fdmctl, where DIR is in $fpath
              fish   fdmctl completions fish > ~/.config/fish/completions/fdmctl.fish
            """
    )

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        fileprivate var script: String {
            switch self {
            case .bash: FDMCtl.completionScript(for: .bash)
            case .zsh: FDMCtl.completionScript(for: .zsh)
            case .fish: FDMCtl.completionScript(for: .fish)
            }
        }
    }

    @Argument(help: "The shell.")
    var shell: Shell

    func run() {
        print(shell.script)
    }
}
#endif
