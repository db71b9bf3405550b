// What the person chose for this window: size mode, quality, view only.

import type { Params, SizeMode } from './params.ts';
import { fixedLevel, levelFor, type Level, type QualityChoice } from './quality.ts';
import type { ScreenSettings } from './screen.ts';

export class ViewerSettings {
  size: SizeMode = $state('remote');
  viewOnly = $state(false);
  quality: QualityChoice = $state('auto');
  /** Measured to the server and back; `null` before the first measurement. */
  roundTripMs: number | null = $state(null);

  readonly fixed: Level | null;
  private readonly showDot: boolean;

  constructor(params: Params) {
    this.size = params.size;
    this.viewOnly = params.viewOnly;
    this.fixed = fixedLevel(params.quality, params.compression);
    this.quality = this.fixed ? 'fixed' : 'auto';
    this.showDot = params.showDot;
  }

  get screen(): ScreenSettings {
    return {
      size: this.size,
      viewOnly: this.viewOnly,
      showDot: this.showDot,
      level: levelFor(this.quality, this.roundTripMs, this.fixed),
    };
  }
}
