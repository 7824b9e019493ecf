"""The subcommands of twinloop, one a module, with what they share: options, headings, and a shell's completion."""
