// The readings of one device, on the clock of this page.

export const SPAN = 10_000; // ms that are kept, and plotted
const LEAP = 1000; // ms; a device's clock that is off by more has stood still, or begun anew

export class Track {
  readings = []; // [at, x, y, z], the newest last
  offset = NaN; // from the device's clock to ours

  // The reading that travelled fastest tells the clocks' offset best.
  add([t, ...values], now) {
    const offset = now - t;
    if (!(Math.abs(offset - this.offset) < LEAP)) this.offset = offset;
    this.offset = Math.min(this.offset, offset);
    if (t + this.offset < this.last?.[0]) this.readings = this.readings.filter(([at]) => at < t + this.offset);
    this.readings.push([t + this.offset, ...values]);
  }

  forget(now) {
    const first = this.readings.findIndex(([at]) => at > now - SPAN - LEAP);
    this.readings.splice(0, first < 0 ? this.readings.length : first);
  }

  get last() {
    return this.readings.at(-1);
  }

  // How many readings a second there are; those of the last moment may be on their way.
  rate(now) {
    const recent = this.readings.filter(([at]) => at > now - 2500 && at <= now - 500);
    return recent.length > 1 ? (1000 * (recent.length - 1)) / (recent.at(-1)[0] - recent[0][0]) : 0;
  }
}
