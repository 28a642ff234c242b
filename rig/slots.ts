/** The slots of a user, from the text in `users` or in a scope: slot → sockets. Empty: in grace. */
export function slotsOf(text: string): Map<number, number> {
  if (text === "0") return new Map();
  return new Map(
    text.split(",").map((one): [number, number] => {
      const [slot, sockets = "1"] = one.split("*");
      return [Number(slot), Number(sockets)];
    }),
  );
}

/** Whether it is such a text. */
export function isSlots(text: string): boolean {
  return (
    /^(0|\d+(\*\d+)?(,\d+(\*\d+)?)*)$/.test(text) &&
    [...slotsOf(text)].every(([slot, n]) => slot > 0 && n > 0)
  );
}
