import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.keycloak.Config;
import org.keycloak.events.Event;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.EventListenerProviderFactory;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;

/**
 * What the listeners that operators install have in common: every event as JSON with its nulls, without a key, to a topic for
 * those of users and one for those of administrators, as soon as it happens and without waiting for Kafka.
 */
public final class KafkaEventListener implements EventListenerProviderFactory {
  private final ObjectMapper json = new ObjectMapper();
  private KafkaProducer<String, String> producer;

  @Override
  public String getId() {
    return "kafka";
  }

  @Override
  public void init(Config.Scope config) {}

  @Override
  public void postInit(KeycloakSessionFactory factory) {
    // From the environment, as they do: options of an SPI are fixed by the build.
    Map<String, Object> settings = Map.of("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP_SERVERS"));
    producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
  }

  @Override
  public EventListenerProvider create(KeycloakSession session) {
    return new EventListenerProvider() {
      @Override
      public void onEvent(Event event) {
        send("KAFKA_TOPIC", event);
      }

      @Override
      public void onEvent(AdminEvent event, boolean includeRepresentation) {
        send("KAFKA_ADMIN_TOPIC", event);
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public void close() {
    if (producer != null) producer.close();
  }

  private void send(String topicSetting, Object event) {
    try {
      producer.send(new ProducerRecord<>(System.getenv(topicSetting), json.writeValueAsString(event)));
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
