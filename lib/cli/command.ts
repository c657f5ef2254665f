/** A command of the command line. */
export interface Command {
  help: string;
  /** Gives the exit status. A UsageError is for the caller to print, with `help`. */
  run(args: string[]): Promise<number>;
}

/** The command line is wrong. */
export class UsageError extends Error {}
