import { transportKind } from '../../tools/parity/kinds/transport.js';
import { describeFixture } from '../support/fixture-checks.js';

await describeFixture(transportKind, 'transport.safetensors');
