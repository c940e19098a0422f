// The nearest of many points in the plane: points sorted into square cells, searched ring by ring.

const PER_CELL = 4;

export class Nearest {
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < points.length; i += 2) {
      if (points[i] < left) left = points[i];
      if (points[i] > right) right = points[i];
      if (points[i + 1] < low) low = points[i + 1];
      if (points[i + 1] > high) high = points[i + 1];
    }
    if (!count) [left, right, low, high] = [-1, 1, -1, 1];
    Object.assign(this, { left, right, low, high });
    this.side = Math.max(1, Math.min(1024, Math.round(Math.sqrt(count / PER_CELL))));
    this.width = (right - left) / this.side || 1;
    this.height = (high - low) / this.side || 1;
    const cells = this.side * this.side;
    this.starts = new Uint32Array(cells + 1);
    const cell = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      cell[i] = this.row(points[2 * i + 1]) * this.side + this.column(points[2 * i]);
      this.starts[cell[i] + 1]++;
    }
    for (let i = 0; i < cells; i++) this.starts[i + 1] += this.starts[i];
    this.order = new Uint32Array(count);
    const next = this.starts.slice();
    for (let i = 0; i < count; i++) this.order[next[cell[i]]++] = i;
  }

  column(x) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((x - this.left) / this.width)));
  }

  row(y) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((y - this.low) / this.height)));
  }

  /** Give the k nearest points to (x, y) as [{index, distance}], nearest first. */
  find(x, y, k = 1) {
    const found = [];
    const [column, row] = [this.column(x), this.row(y)];
    const cell = Math.min(this.width, this.height);
    // From outside of all cells the rings are counted from the nearest cell, whose own distance comes on top.
    for (let ring = 0; ring < this.side; ring++) {
      if (found.length === k && found[k - 1].distance <= (ring - 1) * cell) break;
      for (let r = row - ring; r <= row + ring; r++) {
        if (r < 0 || r >= this.side) continue;
        const edge = r === row - ring || r === row + ring;
        for (let c = column - ring; c <= column + ring; c += edge ? 1 : Math.max(1, 2 * ring)) {
          if (c >= 0 && c < this.side) this.search(r * this.side + c, x, y, k, found);
        }
      }
    }
    return found;
  }

  search(cell, x, y, k, found) {
    for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
      const index = this.order[at];
      const distance = Math.hypot(this.points[2 * index] - x, this.points[2 * index + 1] - y);
      if (found.length === k && distance >= found[k - 1].distance) continue;
      let place = found.length;
      while (place > 0 && found[place - 1].distance > distance) place--;
      found.splice(place, 0, { index, distance });
      if (found.length > k) found.pop();
    }
  }
}
