import type { Order } from '../description.js';
import { serve } from './serve.js';
import { startPage } from './page.js';

// The one script of a page: workers run it too, and have no document.
if (typeof document === 'undefined') {
  const obey = serve((answer) => {
    self.postMessage(answer);
  });
  self.onmessage = ({ data }: MessageEvent<Order>) => {
    void obey(data);
  };
} else startPage(document.currentScript!.textContent);
