/** A command of the command line. */
export interface Command {
  /** One line for the list of commands. */
  summary: string;
  help: string;
  /** Gives the exit status. A UsageError is for the caller to print, with `help`. */
  run(args: string[]): Promise<number>;
}

/** The command line is wrong. */
export class UsageError extends Error {}
