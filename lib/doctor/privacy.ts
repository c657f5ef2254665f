// A page that is pasted into a public place names neither the user nor the machine.

/** Shortens the home folder to ~, and takes out the names of others', users' numbers, and the identifiers of a boot or a container. */
export function shortener(homes: readonly string[]): (text: string) => string {
  const own = homes
    .map((home) => home.replace(/\/+$/, ''))
    .filter((home) => home.length > 1)
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let short = text;
    for (const home of own) {
      const pattern = new RegExp(`${home.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w.-])`, 'g');
      short = short.replace(pattern, '~');
    }
    return short
      .replace(/(\/(?:home|Users))\/[^/\s:]+/g, '$1/…')
      .replace(/\buser([-/])\d+\b/g, 'user$1…')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
      .replace(/[0-9a-f]{32,}/g, '<id>');
  };
}

/** Applies `shorten` to every string of a value. */
export function shortenAll<T>(value: T, shorten: (text: string) => string): T {
  if (typeof value === 'string') return shorten(value) as T;
  if (Array.isArray(value)) return value.map((item) => shortenAll(item, shorten)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, shortenAll(item, shorten)]),
  ) as T;
}
