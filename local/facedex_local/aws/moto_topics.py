"""A change to moto's SNS that delivers each message to every subscription, and keeps none.

Unchanged, a subscribed queue that was deleted makes Publish fail, and the subscriptions after it
get nothing; and moto keeps every message that was ever published.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any, Final

_DONE: Final = "_facedex_delivers"

_logger = logging.getLogger("facedex")


def deliver_to_all() -> None:
    """Change moto to log a queue that takes no message, and to forget messages when sent."""
    from moto.sns import models
    from moto.sqs.exceptions import SQSException

    subscriptions: Any = models.Subscription
    topics: Any = models.Topic
    if hasattr(topics, _DONE):
        return  # already changed
    deliver, publish = subscriptions.publish, topics.publish

    @wraps(deliver)
    def deliver_or_log(subscription: Any, *arguments: Any, **named: Any) -> None:
        try:
            deliver(subscription, *arguments, **named)
        except SQSException as error:
            # As at AWS, where the publisher does not learn of it.
            name = type(error).__name__
            _logger.warning("SNS could not deliver a message to a subscribed queue: %s", name)

    @wraps(publish)
    def publish_and_forget(topic: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return publish(topic, *arguments, **named)
        finally:
            topic.sent_notifications.clear()

    subscriptions.publish = deliver_or_log
    topics.publish = publish_and_forget
    setattr(topics, _DONE, True)
