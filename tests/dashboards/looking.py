"""JavaScript that looks at a page as a person would: what is drawn, too faint, or cut off."""

__all__ = ["BLUE_PIXELS", "CUT_OFF", "FAINT", "PICTURE"]

_CANVASES = """
    const inside = node => [...node.querySelectorAll('*')].flatMap(
        e => e.shadowRoot ? [e, ...inside(e.shadowRoot)] : [e]);  // Bokeh draws in shadow trees
    const canvases = inside(card).filter(e => e.tagName === 'CANVAS' && e.width);
"""

PICTURE = f"card => {{ {_CANVASES} return canvases.map(canvas => canvas.toDataURL()).join(); }}"

BLUE_PIXELS = f"""card => {{
    {_CANVASES}
    let count = 0;
    for (const canvas of canvases) {{
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let i = 0; i < data.length; i += 4)
            if (data[i] < 120 && data[i + 2] > 200 && data[i + 3] > 128) count++;
    }}
    return count;
}}"""

# texts with a contrast below 4.5 to 1, by the formula of WCAG 2.2
FAINT = """root => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const [r, g, b, alpha = 1] = numbers(getComputedStyle(e).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of root.querySelectorAll('*')) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        const style = getComputedStyle(element);
        if (!own || !element.offsetParent || style.visibility === 'hidden') continue;
        const pair = [light(numbers(style.color)), light(ground(element))].sort((a, b) => b - a);
        const ratio = (pair[0] + .05) / (pair[1] + .05);
        if (ratio < 4.5) faint.push(`${element.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return faint;
}"""

# what sticks out of the window, or holds more than can be seen of it; the table heads are for screen readers
CUT_OFF = """root => [...root.querySelectorAll('*')].filter(e => {
    const box = e.getBoundingClientRect();
    if (!e.offsetParent || !box.width || e.closest('thead')) return false;
    const hidden = e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1;
    return box.right > innerWidth + 1 || box.left < -1 || hidden;
}).map(e => `${e.tagName} ${e.className} ${e.textContent.slice(0, 30)}`)"""
