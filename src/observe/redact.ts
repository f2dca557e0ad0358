/** All secrets of this process. Whatever is printed, logged or stored passes through here. */
export class Redactor {
  readonly #forms = new Set<string>();
  #pattern: RegExp | undefined;

  /** Keeps a value out of everything that is printed, in each form in which it may come back. */
  add(value: string): void {
    for (const text of [value, ...value.split(/\r?\n/)]) this.#keep(text); // a key of many lines may come back line by line
    if (this.#forms.size === 0) return;
    const longestFirst = [...this.#forms].toSorted((a, b) => b.length - a.length);
    this.#pattern = new RegExp(longestFirst.map((form) => form.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|'), 'g');
  }

  #keep(value: string): void {
    if (value.length < MIN_LENGTH) return;
    for (const form of formsOf(value)) if (form.length >= MIN_LENGTH) this.#forms.add(form);
    const decoded = decode(value);
    if (decoded !== value) this.#keep(decoded);
  }

  text(text: string): string {
    const hidden = this.#pattern ? text.replace(this.#pattern, '***') : text;
    // The password of a URL is a secret even where nobody registered it.
    return hidden.replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@"']*):[^\s/@"']+@/gi, '$1:***@');
  }

  /** Redacts every text in plain data. */
  data<T>(value: T): T {
    return JSON.parse(this.text(JSON.stringify(value, exact))) as T;
  }
}

/** A shorter one would blank half of what is printed, and can be guessed anyway. */
const MIN_LENGTH = 4;

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  const json = JSON.stringify(value).slice(1, -1);
  return [value, json, JSON.stringify(json).slice(1, -1), encodeURIComponent(value), encodeURI(value), new URLSearchParams({ v: value }).toString().slice(2), bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

export function exact(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
