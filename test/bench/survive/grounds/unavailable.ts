/** What is thrown where the benchmark cannot run. */
export const unavailable = (reason: string) => Object.assign(new Error(reason), { unavailable: true });
