/** uPlot, with the page's colours and the incidents drawn into it. */
import uPlot from "uplot";
import type { Incident } from "./incidents.ts";
import type { Series } from "./series.ts";
import type { Range } from "./state.ts";
import { clock, day, dayTime, number } from "./words.ts";

interface View {
  /** ms */
  readonly from: number;
  readonly to: number;
  readonly range: Range;
}

const HEIGHT = 260;
const FONT = '11px Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** Text of two incidents closer than this is not drawn twice, px. */
const LABEL_PX = 110;
/** Narrower than this, px, times are given without seconds. */
const NARROW_PX = 480;
const ONE_DAY_MS = 86_400_000;

export class Plot {
  readonly #box: HTMLElement;
  readonly #legend: HTMLElement;
  readonly #resizing: ResizeObserver;
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.#make();
  #plot: uPlot | undefined;
  #series: Series = [[], [], [], [], []];
  #incidents: readonly Incident[] = [];
  #view: View = { from: 0, to: 1, range: "live" };
  #colours = coloursOf(document.body);

  constructor(box: HTMLElement, legend: HTMLElement) {
    this.#box = box;
    this.#legend = legend;
    this.#resizing = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    this.#resizing.observe(box);
    this.#dark.addEventListener("change", this.#recolour);
    window.addEventListener("rollcall-theme", this.#recolour);
    this.#make();
  }

  show(series: Series, incidents: readonly Incident[], view: View): void {
    this.#series = series;
    this.#incidents = incidents;
    this.#view = view;
    this.#plot?.batch(() => {
      this.#plot!.setData(series, false);
      this.#plot!.setScale("x", { min: view.from / 1000, max: view.to / 1000 });
    });
    this.#tell();
  }

  close(): void {
    this.#resizing.disconnect();
    this.#dark.removeEventListener("change", this.#recolour);
    window.removeEventListener("rollcall-theme", this.#recolour);
    this.#plot?.destroy();
  }

  #size() {
    return { width: Math.max(200, this.#box.clientWidth), height: HEIGHT };
  }

  #make(): void {
    this.#plot?.destroy();
    this.#colours = coloursOf(this.#box);
    const { users, sockets, grid, text, band } = this.#colours;
    const axis = { font: FONT, stroke: text, ticks: { show: false }, gap: 8 };
    const quiet = { points: { show: false }, spanGaps: false };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [18, 26, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: true, auto: false },
          // From 0: a dip looks as large as it is.
          y: { range: (_, __, most) => [0, topOf(most)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: (plot) => (this.#isNarrow(plot) ? 48 : 76),
            size: 30,
            values: (plot, splits) =>
              splits.map((at) =>
                this.#isNarrow(plot) && at % 60 === 0
                  ? this.#label(at * 1000).slice(0, 5)
                  : this.#label(at * 1000),
              ),
          },
          {
            ...axis,
            grid: { stroke: grid, width: 1 },
            size: (_, values) => 18 + 7 * Math.max(1, ...(values ?? []).map((value) => value.length)),
            space: 44,
            incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500]
              .flatMap((n) => [n, n * 1_000, n * 1_000_000])
              .sort((a, b) => a - b),
            values: (_, splits) => splits.map(number),
          },
        ],
        series: [
          {},
          { ...quiet, stroke: users, width: 2, fill: (plot) => this.#fade(plot) },
          { ...quiet, stroke: sockets, width: 1.5 },
          { ...quiet, stroke: "transparent", width: 0 },
          { ...quiet, stroke: "transparent", width: 0 },
        ],
        bands: [{ series: [3, 4], fill: band }],
        hooks: {
          drawClear: [(plot) => this.#drawBands(plot)],
          draw: [(plot) => this.#drawMarks(plot)],
          setCursor: [() => this.#tell()],
        },
      },
      this.#series,
      this.#box,
    );
    const { from, to } = this.#view;
    this.#plot.setScale("x", { min: from / 1000, max: to / 1000 });
    this.#tell();
  }

  #fade(plot: uPlot): CanvasGradient | string {
    const { top, height } = plot.bbox;
    if (!(height > 0)) return "transparent";
    const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
    gradient.addColorStop(0, this.#colours.fade);
    gradient.addColorStop(1, this.#colours.faded);
    return gradient;
  }

  #isNarrow({ width }: uPlot): boolean {
    return this.#view.range === "live" && width < NARROW_PX;
  }

  #label(at: number): string {
    if (this.#view.range === "live") return clock(at);
    const isMidnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0;
    if (this.#view.range === "week" || isMidnight) return isMidnight ? day(at) : clock(at).slice(0, 5);
    return clock(at).slice(0, 5);
  }

  #seen(): readonly Incident[] {
    const { from, to } = this.#view;
    return this.#incidents.filter(({ at, from: begin }) => at >= from && begin <= to);
  }

  /** From the last sign of life until it showed: what stands there was not known to be wrong yet. */
  #drawBands(plot: uPlot): void {
    const {
      ctx,
      bbox: { left, top, width, height },
    } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.fillStyle = this.#colours.silent;
    for (const { kind, from, at } of this.#seen()) {
      if (kind !== "crash") continue;
      const [x0, x1] = [plot.valToPos(from / 1000, "x", true), plot.valToPos(at / 1000, "x", true)];
      ctx.fillRect(x0, top, x1 - x0, height);
    }
    ctx.restore();
  }

  #drawMarks(plot: uPlot): void {
    const {
      ctx,
      bbox: { left, top, width, height },
    } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.lineWidth = ratio;
    ctx.font = FONT.replace("11px", `${11 * ratio}px`);
    ctx.textBaseline = "bottom";
    let free = -Infinity;
    for (const { kind, at, users } of this.#seen()) {
      const x = Math.round(plot.valToPos(at / 1000, "x", true)) + 0.5;
      ctx.strokeStyle = ctx.fillStyle = kind === "crash" ? this.#colours.crash : this.#colours.text;
      ctx.setLineDash(kind === "crash" ? [] : [3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      if (x < free) continue;
      const text = kind === "closed" ? "closed" : users === 0 ? "crash" : `crash, \u2212${number(users)}`;
      const { width: wide } = ctx.measureText(text);
      const isRight = x + wide > left + width;
      ctx.textAlign = isRight ? "right" : "left";
      ctx.fillText(text, isRight ? x + 2 * ratio : x - 2 * ratio, top - 3 * ratio);
      free = x + Math.min(LABEL_PX * ratio, wide + 12 * ratio);
    }
    ctx.restore();
  }

  /** What is under the pointer, or the last. */
  #tell(): void {
    const [times, users, sockets] = this.#series;
    const under = this.#plot?.cursor.idx;
    const i = under ?? times.length - 1;
    const at = times[i];
    const legend = this.#legend;
    legend.replaceChildren();
    const add = (name: string, value: number | null | undefined) => {
      const part = document.createElement("span");
      part.className = name.toLowerCase();
      const strong = document.createElement("strong");
      strong.textContent = value === null || value === undefined ? "not known" : number(value);
      part.append(`${name} `, strong);
      legend.append(part);
    };
    add("Users", users[i]);
    add("Sockets", sockets[i]);
    const when = document.createElement("span");
    when.className = "when";
    when.textContent =
      at === undefined || under === null || under === undefined
        ? ""
        : this.#view.to - this.#view.from > ONE_DAY_MS
          ? dayTime(at * 1000)
          : clock(at * 1000);
    legend.append(when);
  }
}

/** The end of the axis: a round number a little above. */
function topOf(most: number | null): number {
  const wanted = Math.max(4, (most ?? 0) * 1.08);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  const round = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((n) => n * unit >= wanted)!;
  return Math.ceil(round * unit);
}

const NAMES = ["users", "sockets", "grid", "text", "band", "fade", "faded", "silent", "crash"] as const;

/** A canvas takes no variables: the browser resolves them as the colour of an element. */
function coloursOf(box: HTMLElement): Record<(typeof NAMES)[number], string> {
  const probe = document.createElement("span");
  box.append(probe);
  const found = NAMES.map((name) => {
    probe.style.color = `var(--plot-${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(found) as Record<(typeof NAMES)[number], string>;
}
