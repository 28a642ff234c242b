/** Redis orders members of equal score by their bytes, which is the order of their code points. */
export function before(a: string, b: string): boolean {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const [p, q] = [x[i]!.codePointAt(0)!, y[i]!.codePointAt(0)!];
    if (p !== q) return p < q;
  }
  return x.length < y.length;
}
