// Draws of long columns what a picture's width can show: the least and the greatest of each stretch, again at
// every move and zoom, so that close up each bar and each trade is there. See workbench.research.zooming.
(async () => {
  const packed = JSON.parse(document.getElementById("wb-zoom").textContent);
  const CANDLES = 320, TRADES = 400;

  async function unpack(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function column({ first, planes, floats, missing, scale, count }) {
    const values = new Float64Array(count);
    if (floats !== undefined) {
      values.set(new Float64Array((await unpack(floats)).buffer));
    } else {
      const bytes = await unpack(planes);
      let now = first;
      for (let i = 0; i < count; i++) {
        const z = bytes[i] + 256 * bytes[count + i] + 65536 * bytes[2 * count + i]
          + 16777216 * bytes[3 * count + i];
        now += z % 2 ? -(z + 1) / 2 : z / 2;  // steps up are even, steps down odd
        values[i] = now * scale;
      }
    }
    if (missing !== undefined) {
      const bits = await unpack(missing);
      for (let i = 0; i < count; i++) if (bits[i >> 3] & (128 >> (i & 7))) values[i] = NaN;
    }
    return values;
  }

  const data = {};
  for (const [name, item] of Object.entries(packed.columns)) data[name] = await column(item);
  while (!(window.Bokeh?.documents?.length && Bokeh.documents[0].get_model_by_name("equity"))) {
    await new Promise(done => setTimeout(done, 20));
  }
  const doc = Bokeh.documents[0], model = name => doc.get_model_by_name(name);
  const range = model("equity").x_range;

  const first = (at, value) => {  // the first place whose time is `value` or later
    let low = 0, high = at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  };
  const window_of = at => [Math.max(0, first(at, range.start) - 1), Math.min(at.length, first(at, range.end) + 1)];

  function thin(values, low, high, buckets) {  // places of the least and the greatest of each stretch, in order
    const places = [];
    if (high - low <= 2 * buckets) {
      for (let i = low; i < high; i++) places.push(i);
      return places;
    }
    for (let b = 0; b < buckets; b++) {
      const from = low + Math.floor((high - low) * b / buckets);
      const to = low + Math.floor((high - low) * (b + 1) / buckets);
      let least = -1, most = -1;
      for (let i = from; i < to; i++) {
        if (Number.isNaN(values[i])) continue;
        if (least < 0 || values[i] < values[least]) least = i;
        if (most < 0 || values[i] > values[most]) most = i;
      }
      if (least < 0) places.push(from);
      else if (least === most) places.push(least);
      else places.push(Math.min(least, most), Math.max(least, most));
    }
    return places;
  }

  const bounds = { };
  const seen = (panel, low, high) => {
    const now = bounds[panel] ??= [Infinity, -Infinity];
    if (low < now[0]) now[0] = low;
    if (high > now[1]) now[1] = high;
  };

  const whole = range.end - range.start;

  function line({ panel, at, value, source, aside }) {
    const times = data[at], values = data[value], [low, high] = window_of(times);
    const places = thin(values, low, high, width());
    const y = places.map(i => values[i]);
    const counts = !aside || range.end - range.start > 0.5 * whole;  // close up the strategy has the height
    if (counts) for (const item of y) if (!Number.isNaN(item)) seen(panel, item, item);
    model(source).data = { at: places.map(i => times[i]), value: y };
  }

  function candles({ panel, prefix, source, title, each, step }) {
    const [open, high, low, close] = ["open", "high", "low", "close"].map(part => data[`${prefix}${part}`]);
    const opens = data[`${prefix}from`], closes = data[`${prefix}to`];
    const [from, to] = [Math.max(0, first(closes, range.start)), Math.min(opens.length, first(opens, range.end))];
    const many = Math.max(1, Math.ceil((to - from) / CANDLES));
    const found = { at: [], left: [], right: [], open: [], high: [], low: [], close: [], colour: [], bars: [] };
    for (let i = from - from % many; i < to; i += many) {
      const end = Math.min(i + many, close.length);
      let most = high[i], least = low[i];
      for (let j = i + 1; j < end; j++) {
        if (high[j] > most) most = high[j];
        if (low[j] < least) least = low[j];
      }
      const length = Math.min(closes[end - 1] - opens[i], step * many);
      const middle = (opens[i] + closes[end - 1]) / 2;
      found.at.push(middle); found.left.push(middle - 0.35 * length); found.right.push(middle + 0.35 * length);
      found.open.push(open[i]); found.close.push(close[end - 1]); found.high.push(most); found.low.push(least);
      found.colour.push(close[end - 1] >= open[i] ? packed.up : packed.down);
      found.bars.push((end - i) * each);
      seen(panel, least, most);
    }
    model(source).data = found;
    return `${title}: each candle ${many * each === 1 ? "is one bar" : `is ${many * each} bars`}`;
  }

  function trades({ panel, prefix, source, columns, words, alone }) {
    const column = name => data[`${prefix}${name}`], closed = column("closed");
    const entered = column("entry_at"), left = column("last_at"), net = column("net");
    let shown = [];
    const end = first(entered, range.end);
    for (let i = 0; i < end; i++) if (left[i] >= range.start) shown.push(i);
    const all = shown.length;
    if (all > TRADES) {  // of each stretch the trade that made or lost most
      const stretches = TRADES / 2, best = new Map(), span = range.end - range.start;
      for (const i of shown) {
        const place = Math.floor((entered[i] - range.start) / span * stretches);
        if (!best.has(place) || Math.abs(net[i]) > Math.abs(net[best.get(place)])) best.set(place, i);
      }
      shown = [...best.values()];
    }
    const found = {};
    for (const name of columns) found[name] = shown.map(i => column(name)[i]);
    found.side = shown.map(i => column("units")[i] > 0 ? "long" : "short");
    found.marker = shown.map(i => column("units")[i] > 0 ? "triangle" : "inverted_triangle");
    found.colour = shown.map(i => net[i] > 0 ? packed.up : packed.down);
    found.reason = shown.map(i => words[column("reason")[i]]);
    found.ordered = shown.map(i => words[column("ordered")[i]]);
    model(source).data = found;
    for (const i of shown) {
      if (all <= TRADES) seen(panel, Math.min(column("entry_price")[i], column("exit_price")[i]),
        Math.max(column("entry_price")[i], column("exit_price")[i]));
    }
    // what all trades that ended in view made, stretch by stretch
    const stretches = 100, span = range.end - range.start, sums = new Array(stretches).fill(0);
    const counts = new Array(stretches).fill(0);
    for (let i = 0; i < left.length; i++) {
      if (!closed[i] || left[i] < range.start || left[i] >= range.end) continue;
      const place = Math.floor((left[i] - range.start) / span * stretches);
      sums[place] += net[i]; counts[place] += 1;
    }
    const at = sums.map((_, k) => range.start + (k + 0.5) / stretches * span);
    model(alone.source).data = { at, net: sums, count: counts, width: sums.map(() => 0.85 * span / stretches),
      colour: sums.map(item => item > 0 ? packed.up : packed.down) };
    for (const item of sums) seen(alone.panel, Math.min(item, 0), Math.max(item, 0));
    const count = all.toLocaleString("en");
    return all > TRADES ? `${shown.length} of ${count} trades, the largest of each stretch; zoom in for all`
      : `${count} trade${all === 1 ? "" : "s"}`;
  }

  const width = () => Math.max(200, Math.min(1600, Math.round((model("equity").inner_width || 800))));

  function draw() {
    const began = performance.now();
    for (const name of Object.keys(bounds)) delete bounds[name];
    for (const item of packed.lines) line(item);
    for (const item of packed.prices) {
      const parts = [candles(item.candles), trades(item.trades)];
      if (item.said) parts.push(item.said);
      model(item.candles.panel).title.text = parts.join(" · ");
    }
    for (const [name, [low, high]] of Object.entries(bounds)) {
      const margin = (high - low || Math.abs(high) * 0.01 || 1) * 0.05;
      const panel = model(name);
      panel.y_range.setv({ start: low - margin, end: high + margin });
    }
    window.wbZoom.drawn += 1;
    window.wbZoom.ms = performance.now() - began;
  }

  window.wbZoom = { drawn: 0, ms: 0, range, data };
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  if (data.equity) {  // how far below its highest value before
    let most = packed.start;
    data.fall = data.equity.map(value => { if (value > most) most = value; return (value - most) / most * 100; });
  }
  range.properties.start.change.connect(soon);
  range.properties.end.change.connect(soon);
  draw();
  document.body.dataset.zoom = "ready";
})();
