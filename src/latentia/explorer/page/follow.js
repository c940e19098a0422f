// A picture that follows: one request on its way, and the newest wish after it. What lies between is never asked.

export class Follower {
  constructor(show, fail) {
    this.show = show;
    this.fail = fail;
    this.busy = false;
    this.wish = null;
  }

  /** Ask for something: `work` is async and gives what `show` shows, or null where it was passed over. */
  want(work) {
    this.wish = work;
    if (!this.busy) this.go();
  }

  async go() {
    this.busy = true;
    while (this.wish) {
      const work = this.wish;
      this.wish = null;
      try {
        const result = await work();
        if (result) this.show(result);
      } catch (error) {
        this.fail(error);
      }
    }
    this.busy = false;
  }
}
