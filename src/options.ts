export const BUDGET = Number(process.env["B"] ?? 2000);
