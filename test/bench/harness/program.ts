/**
 * Runs a benchmark that starts processes of its own, all of which `endAll` ends, however this one ends. `main` gives the exit status; it is 1
 * for an error, and 77 for one that says that the benchmark cannot run here (`unavailable`).
 */
export async function asProgram(main: () => Promise<number>, endAll: () => void): Promise<void> {
  process.on('exit', endAll);
  for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })) {
    process.on(signal, () => process.exit(128 + number));
  }
  try {
    process.exitCode = await main();
  } catch (error) {
    const { message, unavailable } = error as Error & { unavailable?: boolean };
    console.error(unavailable ? `skipped: ${message}` : message);
    process.exitCode = unavailable ? 77 : 1;
  }
}
